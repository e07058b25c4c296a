"""LightningCLI as hqzoo uses it: one verb at a time, a fixed run folder, mistakes told by their full key."""

from __future__ import annotations

from argparse import ArgumentError
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hqzoo._lightning import pl
from hqzoo.cli.blame import blame, check_architecture
from hqzoo.cli.checkpoint_option import WEIGHTS_HELP
from hqzoo.cli.explain import BASES, explain, wrong_values
from hqzoo.cli.launched import build_trainer
from hqzoo.cli.option_tree import collect
from hqzoo.cli.own_code import check_imports
from hqzoo.cli.own_module import is_own, place_control
from hqzoo.cli.run_folder import RunFolder
from hqzoo.cli.run_loggers import LOGGERS, join_run, with_full_names
from hqzoo.cli.trainer_settings import REFUSALS, check_settings
from hqzoo.data.parts import Part
from hqzoo.errors import ConfigError

if TYPE_CHECKING or pl.__name__ == "lightning.pytorch":
    from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
else:
    from pytorch_lightning.cli import LightningArgumentParser, LightningCLI

__all__ = ["DEFAULT_ROOT", "CommandLine"]

DEFAULT_ROOT = "runs/default"

DESCRIPTIONS = {
    "fit": """Train a model.

Start:     hqzoo fit -c hq_unet/landscapes         (a recipe that comes with hqzoo, or a file)
Go on:     hqzoo fit -c RUN/config.yaml --ckpt_path last
Fine-tune: hqzoo fit -c RECIPE --trainer.callbacks+ StartFromWeights --trainer.callbacks.weights NAME
Override:  any key of the recipe, such as --trainer.max_epochs 5
Watch:     hqzoo fit -c RECIPE --wandb             (WANDB_MODE=offline needs no account; see the page Dashboards)
Several:   torchrun --nproc_per_node 2 -m hqzoo fit ...      (or --trainer.devices 2 --trainer.strategy ddp)

On several processes batch_size is that of each, and so are the statistics of batch normalisation unless
--trainer.sync_batchnorm true (GPUs only). Dropout draws other masks. All else, the losses of hqzoo's tasks included,
is as on one process with the whole batch. A run goes on with any number of processes.

The run folder (--trainer.default_root_dir) receives config.yaml, metrics.csv, timing.json (step time, share of
it spent waiting for data), checkpoints/last.ckpt (every epoch, and on Ctrl-C) and checkpoints/best.ckpt
(best score of the task, where there is validation). A callback or logger of your own joins these; your own
ModelCheckpoint replaces best.ckpt.""",
    "validate": "Score a checkpoint on the validation split: validate.json in the run folder, and a table.",
    "test": """Score a checkpoint on the test split of its data, or on all of other data: a table, and a file.

test.json in the run folder holds the scores of the run's own test split; those of other data, or of another part
(--split), stand beside it in test-NAME-FINGERPRINT.json. Class maps are scored window by window as the model sees
them; with --data.init_args.blend_test true, as predict and `hqzoo map` write them, blended from overlapping windows.
The report says which: run.prediction.""",
    "predict": """Write the class maps of a data module's prediction images to predictions/ in the run folder.

They are blended from overlapping windows as those of `hqzoo map` are: GeoTIFFs of georeferenced images, index PNGs of
others.""",
}
REBUILT = """

hqzoo {verb} -c RUN/config.yaml                             best.ckpt of that run, else last.ckpt
hqzoo {verb} -c RUN/config.yaml --ckpt_path last            last.ckpt
hqzoo {verb} --ckpt_path X.ckpt --data CLASS --data.ARG ...  any checkpoint on any data
hqzoo {verb} --weights NAME --data CLASS --data.ARG ...      published weights on any data; results go to runs/NAME

X may also be a run folder. The model is rebuilt from the checkpoint alone; model settings in a recipe are only compared
with it. How the run divided its data (folds, split files, ignored values) is not taken over for other data."""

CHECKPOINT_HELP = {
    "fit": "Go on from this checkpoint: a path, 'last' or 'best' in the run folder. It must exist.",
    "other": "A path, or 'last' or 'best' in the run folder. Default: best if there is one, else last.",
}


CONTROL_HELP = (
    "What stands in the place of the quantum layers of a LightningModule of your own: quantum (our engines), zero, "
    "constant, linear, mlp, mlp_time, frozen, separable, identity; or such a name by layer."
)


SPLIT_HELP = (
    "Which images: train, val, test, or all of them. Default: the test split of the data that the checkpoint was "
    "trained on, all of other data."
)


class _StrictParser(LightningArgumentParser):
    """Accept no abbreviations, at any depth: a mistyped ``--model.loss.nam`` must not pass for ``name``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401
        super().__init__(*args, **{"allow_abbrev": False, **kwargs})


class CommandLine(LightningCLI):
    """Parse one verb's arguments and build its data module, trainer and, for ``fit``, its task.

    Args:
        verb: ``fit``, ``validate``, ``test`` or ``predict``.
        argv: The arguments behind the verb.

    Raises:
        ConfigError: If a key or a value is wrong; the message names the key and the nearest right one.
    """

    def __init__(self, verb: str, argv: list[str]) -> None:
        self.verb, self.argv = verb, argv
        _make_short_names_known()
        description = DESCRIPTIONS[verb] + ("" if verb == "fit" else REBUILT.format(verb=verb))
        self.model_settings: dict[str, Any] = {}  # constructor arguments, if the recipe names a model
        self.own = False  # whether that is a LightningModule which is no task of hqzoo
        super().__init__(
            args=argv,
            run=False,  # the verbs differ in more than the trainer's method; see hqzoo.cli.fit
            seed_everything_default=0,
            auto_configure_optimizers=False,  # the task has settings for both
            load_from_checkpoint_support=False,  # the task keeps its hyper-parameters itself, as plain types
            save_config_callback=None,
            trainer_defaults={"default_root_dir": DEFAULT_ROOT},
            parser_kwargs={
                "prog": f"hqzoo {verb}",
                "usage": f"hqzoo {verb} [-c RECIPE.yaml] [--KEY VALUE ...]",
                "description": description,
                "exit_on_error": False,
            },
            parser_class=_StrictParser,
        )

    def add_core_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add trainer, model and data; only ``fit`` needs a model, the others have a checkpoint."""
        parser.add_class_arguments(
            self.trainer_class, "trainer", fail_untyped=False, instantiate=False, sub_configs=True, skip={"logger"}
        )
        parser.add_argument("--trainer.logger", type=LOGGERS, default=None, help="Loggers beside metrics.csv.")
        parser.set_defaults({f"trainer.{key}": value for key, value in self.trainer_defaults.items()})
        fit = self.verb == "fit"
        parser.add_lightning_class_args(pl.LightningModule, "model", subclass_mode=True, required=fit)
        parser.add_lightning_class_args(pl.LightningDataModule, "data", subclass_mode=True, required=True)

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        """Add ``--ckpt_path`` and ``--weights``, and the controls of modules that are no tasks."""
        fit = self.verb == "fit"
        text = CHECKPOINT_HELP["fit" if fit else "other"]
        parser.add_argument("--ckpt_path", type=str | None, default=None, help=text)
        parser.add_argument("--control", type=str | dict[str, str] | None, default=None, help=CONTROL_HELP)
        parser.add_argument(
            "--control_hidden", type=int | None, default=None, help="Hidden width of --control mlp_time."
        )

        if not fit:
            parser.add_argument("--weights", type=str | None, default=None, help=f"{WEIGHTS_HELP}.")
        if self.verb in ("test", "predict"):
            parser.add_argument("--split", type=Part | None, default=None, help=SPLIT_HELP)

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:  # noqa: ANN401
        """Parse, and word mistakes by their full key."""
        tree = collect(list(args))
        check_imports(tree, BASES)
        try:
            self.config = parser.parse_args(args)
        except ArgumentError as error:
            raise ConfigError(explain(str(error), parser, list(args))) from error
        if wrong := wrong_values(tree, parser, nulls_only=True):
            raise ConfigError(wrong)
        check_settings(self.config)

    def before_instantiate_classes(self) -> None:
        """Check what jsonargparse cannot see: the arguments in the dictionary of an architecture.

        Loggers that would write into the working directory write into the run folder instead.
        """
        if self.config.get("model"):
            self.model_settings = self.config["model"]["init_args"].as_dict()
        model = self.model_settings
        if isinstance(model.get("architecture"), str):
            check_architecture(model["architecture"], model.get("architecture_args") or {})
        trainer = self.config["trainer"]
        trainer["logger"] = with_full_names(trainer["logger"], trainer["default_root_dir"])
        if self.verb != "fit" or self.config["ckpt_path"]:
            join_run(self.config, self.folder)
        self.own = bool(self.config.get("model")) and is_own(self.config["model"]["class_path"])
        if not self.own and (self.config["control"] is not None or self.config["control_hidden"] is not None):
            raise ConfigError(
                "--control and --control_hidden go with a LightningModule of your own in the recipe. In hqzoo's tasks "
                "they are arguments of the architecture: --model.init_args.architecture_args.control mlp."
            )
        if self.verb != "fit" and not self.own:
            self.config["model"] = None  # rebuilt from the checkpoint

    def instantiate_classes(self) -> None:
        """Build data module and task; what they refuse is told in their words, not as a mismatch of types."""
        try:
            super().instantiate_classes()
        except (*REFUSALS, OSError) as error:
            blame(self.config, error)
            raise
        if self.own and self.config["control"] is not None:
            hidden = self.config["control_hidden"]
            self.model = place_control(self.model, self.datamodule, self.config["control"], hidden)

    def instantiate_trainer(self, **kwargs: Any) -> pl.Trainer:  # noqa: ANN401
        """Leave the trainer to the verb, which knows the callbacks and loggers it needs."""
        return None  # type: ignore[return-value]

    def build_trainer(
        self, callbacks: list[pl.Callback], loggers: list[Any], precision: str | None = None
    ) -> pl.Trainer:
        """Return the trainer of the configuration.

        Args:
            callbacks: Callbacks to add to those of the configuration.
            loggers: Loggers to put before those of the configuration, unless it says ``logger: false``.
            precision: Precision, where the configuration says none.
        """
        arguments = dict(self.config_init["trainer"])
        arguments["callbacks"] = [*self.callbacks, *callbacks]
        arguments["precision"] = arguments["precision"] or precision
        arguments["logger"] = False if arguments["logger"] is False else [*loggers, *self.loggers]
        return build_trainer(arguments)

    @property
    def callbacks(self) -> list[pl.Callback]:
        """The callbacks of the configuration."""
        given = self.config_init["trainer"]["callbacks"] or []
        return list(given) if isinstance(given, (list, tuple)) else [given]

    @property
    def loggers(self) -> list[Any]:
        """The loggers of the configuration."""
        given = self.config_init["trainer"]["logger"]
        if given is None or isinstance(given, bool):
            return []
        return list(given) if isinstance(given, (list, tuple)) else [given]

    @property
    def folder(self) -> RunFolder:
        """The run folder."""
        return RunFolder(Path(self.config["trainer"]["default_root_dir"]))

    def dump(self) -> str:
        """Return the whole configuration as YAML; ``hqzoo fit -c`` of it starts the same run afresh."""
        config = self.config.clone()
        config["ckpt_path"] = None
        return str(self.parser.dump(config, skip_none=False))


def _make_short_names_known() -> None:
    """Import hqzoo's own classes: jsonargparse finds a class by its bare name only if it is imported."""
    for package in ("hqzoo.tasks", "hqzoo.data", "hqzoo.callbacks"):
        module = import_module(package)
        for name in module.__all__:
            if name.endswith(("Task", "DataModule", "Panel", "Writer", "Progress", "Weights", "Dashboard", "Cache")):
                getattr(module, name)
