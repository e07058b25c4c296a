"""Pretraining of HQ-JEPA (arXiv 2605.31068): four losses of two sensors, without labels."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.errors import ConfigError, DivergedError
from hqzoo.models import create_model
from hqzoo.models.hq_jepa import HQJEPA, LOSSES, Embedded
from hqzoo.nn.block_masks import BlockMasks
from hqzoo.nn.sigreg import SIGReg, exact_epps_pulley
from hqzoo.tasks.base import Batch, Found, Stage, Task
from hqzoo.tasks.embedding_health import health, neighbour_accuracy, ranks
from hqzoo.tasks.mask_panel import as_map, draw_masks
from hqzoo.tasks.metric import LOSS, Metric
from hqzoo.tasks.samples import Samples
from hqzoo.tasks.settings import check_keys

__all__ = ["HQJEPATask", "sample_keys"]

WEIGHTS = {"token": 1.0, "cross_modal": 0.5, "sigreg": 0.02, "fidelity": 0.1}
COLLAPSED_RANK, COLLAPSED_COSINE = 1.5, 0.99
FIDELITIES = ("fidelity", "fidelity_of_others")  # of matching and of shuffled pairs


class HQJEPATask(Task):
    r"""Trains :func:`hqzoo.models.hq_jepa.hq_jepa` to :math:`\sum_i \lambda_i L_i` (eq. 18).

    * ``token``: smooth L1 of predicted and teacher's tokens of the target blocks (eq. 6);
    * ``cross_modal``: the same of predicted and the other sensor's projected tokens, normalised (eq. 9);
    * ``sigreg``: :class:`hqzoo.nn.sigreg.SIGReg` of the joint vectors of both sensors (eqs. 11 and 12);
    * ``fidelity``: :class:`hqzoo.nn.fidelity.FidelityAgreement` of context and targets (eq. 17).

    A loss of weight 0 is off, and nothing of it is built. Masks, directions of SIGReg and block sizes are functions of
    (seed, epoch, step, sample's name), so that a run goes on in mid-epoch, on any number of processes, as it would
    have.

    Args:
        architecture: A pretraining model with the interface of :class:`hqzoo.models.hq_jepa.HQJEPA`.
        architecture_args: Its arguments; ``losses`` follows from the weights.
        weights: Weights :math:`\lambda` by loss. The paper's are not in the text available: CHOICE 1, 0.5, 0.02, 0.1.
        learned_weights: Whether to learn them (Kendall, Gal and Cipolla 2018): :math:`e^{-s_i} \lambda_i L_i + s_i`.
        momentum: Share that the teacher keeps of itself in an optimizer step (published: 0.996).
        momentum_end: Momentum at the end, reached linearly. CHOICE None: constant; I-JEPA has 1.
        cross_modal_stop: Which side of ``cross_modal`` gets no gradient. Not stated: CHOICE ``none``.
        beta: Where smooth L1 becomes linear. CHOICE 1, as I-JEPA.
        masks: Arguments of :class:`hqzoo.nn.block_masks.BlockMasks`, apart from the grid.
        sigreg: Arguments of :class:`hqzoo.nn.sigreg.SIGReg`.
        on_collapse: Whether collapsed embeddings of validation images ``"warn"`` or ``"raise"``.
        seed: Seed of masks and directions.
        **common: As of :class:`hqzoo.tasks.base.Task`.

    Raises:
        ConfigError: If a name, an argument or a setting does not make sense.
    """

    metrics = (
        LOSS,
        Metric("recall_at_1", label="recall@1", margin=0.05),
        Metric("rank_me", label="RankMe"),
        Metric("embedding_sd", label="sd of embeddings"),
        Metric("cosine", "min", label="cosine of images"),
        Metric("uniformity", "min"),
        Metric("alignment", "min"),
        Metric("modality_gap", "min", label="modality gap"),
        Metric("fidelity_gap", label="fidelity, own minus other targets"),
        Metric("epps_pulley", "min", label="Epps-Pulley"),
        Metric("knn", label="kNN", margin=0.01),
    )
    model_kinds = ("pretraining",)
    model: HQJEPA

    def __init__(
        self,
        architecture: str = "hq_jepa",
        architecture_args: dict[str, Any] | None = None,
        weights: dict[str, float] | None = None,
        learned_weights: bool = False,
        momentum: float = 0.996,
        momentum_end: float | None = None,
        cross_modal_stop: Literal["none", "main", "other"] = "none",
        beta: float = 1.0,
        masks: dict[str, Any] | None = None,
        sigreg: dict[str, Any] | None = None,
        on_collapse: Literal["warn", "raise"] = "warn",
        seed: int = 0,
        **common: Any,  # noqa: ANN401 - Task's
    ) -> None:
        super().__init__(architecture, architecture_args, **common)
        self.loss_weights = {**WEIGHTS, **(weights or {})}
        check_keys(self.loss_weights, LOSSES, "loss")
        for name, value in (("momentum", momentum), ("momentum_end", momentum_end)):
            if value is not None and not 0 <= value <= 1:
                raise ConfigError(f"{name}={value} is a share from 0 to 1.")
        if cross_modal_stop not in ("none", "main", "other") or on_collapse not in ("warn", "raise"):
            raise ConfigError(
                f"cross_modal_stop='{cross_modal_stop}' is none, main or other; on_collapse='{on_collapse}' is warn or "
                "raise."
            )
        self.on = tuple(name for name in LOSSES if self.loss_weights[name] > 0)
        self.learned_weights, self.momentum, self.momentum_end = learned_weights, momentum, momentum_end
        self.cross_modal_stop, self.beta, self.on_collapse, self.seed = cross_modal_stop, beta, on_collapse, seed
        self.mask_arguments, self.sigreg_arguments = dict(masks or {}), dict(sigreg or {})
        self.micro_steps = 0
        self.held_out = Samples()
        self.remember(
            weights=self.loss_weights, learned_weights=learned_weights, momentum=momentum, momentum_end=momentum_end,
            cross_modal_stop=cross_modal_stop, beta=beta, masks=self.mask_arguments, sigreg=self.sigreg_arguments,
            on_collapse=on_collapse, seed=seed,
        )  # fmt: skip
        self.configure_model()

    def build_model(self) -> nn.Module:
        """Return a fresh model with what the losses that are on need."""
        return create_model(self.architecture, inputs=self._inputs(), losses=self.on, **self.architecture_args)

    def build_parts(self) -> None:
        """Build masks, SIGReg and, if they are learned, the losses' weights."""
        self.masks = BlockMasks(**{"grid": tuple(self.model.grid), "seed": self.seed, **self.mask_arguments})
        self.sigreg = SIGReg(**{"seed": self.seed, **self.sigreg_arguments}) if "sigreg" in self.on else None
        self.log_weights = nn.ParameterDict({name: nn.Parameter(torch.zeros(())) for name in self.on}
                                            if self.learned_weights else {})  # fmt: skip

    # Training -----------------------------------------------------------------------------------------------

    def compute_loss(self, batch: Batch) -> Tensor:
        """Return the weighted sum of the losses; logs each as ``train/NAME``, and ``train/health/...``.

        Raises:
            DivergedError: If one of them is not finite.
        """
        embedded = self.embed(batch, self.current_epoch, self.micro_steps)
        terms = self.terms(embedded, self.micro_steps)
        self.micro_steps += 1
        self._check_finite(terms, batch)
        if self._is_logged():
            self._log_training(terms, embedded, batch)
        return self._weighted(terms)

    def losses(self, batch: Batch, epoch: int, step: int) -> dict[str, Tensor]:
        """Return the losses that are on, by name, scalars before their weights; see :meth:`embed`."""
        return self.terms(self.embed(batch, epoch, step), step)

    def embed(self, batch: Batch, epoch: int, step: int) -> Embedded:
        """Return what the losses compare.

        Args:
            batch: Images by sensor, and ``name``.
            epoch: Epoch whose masks it gets.
            step: Step whose block sizes it gets.
        """
        masks = self.masks.draw(sample_keys(batch["name"]).to(self.device), epoch, step)
        return self.model.embed(self._images(batch), masks)

    def terms(self, embedded: Embedded, step: int) -> dict[str, Tensor]:
        """Return the losses that are on, by name, scalars before their weights, with a step's directions of SIGReg."""
        found = {"token": self._distance(embedded.predicted, embedded.targets)}
        if "cross_modal" in self.on and embedded.other is not None:
            predicted, other = embedded.predicted, F.layer_norm(embedded.other, embedded.other.shape[-1:])
            predicted = predicted.detach() if self.cross_modal_stop == "main" else predicted
            found["cross_modal"] = self._distance(
                predicted, other.detach() if self.cross_modal_stop == "other" else other
            )
        if self.sigreg is not None and embedded.fused is not None:
            found["sigreg"] = self.sigreg(embedded.fused, step)
        if self.model.fidelity is not None and embedded.compared is not None:
            found["fidelity"] = self.model.fidelity.loss(*embedded.compared)
        return found

    def _log_training(self, terms: Mapping[str, Tensor], embedded: Embedded, batch: Batch) -> None:
        """Log the losses, their mean over processes, and the state of this process's embeddings."""
        values = self._mean_where_logged(torch.stack([each.detach() for each in terms.values()]))
        found: dict[str, Any] = dict(zip(terms, values, strict=True))
        if len(embedded.image) > 1:
            state: dict[str, Any] = dict(health(embedded.image.double().cpu().numpy()))
            if embedded.compared is not None:
                own, others = self.model.fidelities(embedded.compared)
                state |= {"fidelity": own.mean(), "fidelity_of_others": others.mean()}
                state["fidelity_gap"] = (own - others).mean()
            found |= {f"health/{name}": value for name, value in state.items()}
        self.log_dict({f"train/{name}": value for name, value in found.items()}, batch_size=self.size_of(batch))

    def _images(self, batch: Batch) -> dict[str, Tensor]:
        images = self.normalise(batch)
        return {next(iter(self.sensors or ())): images} if isinstance(images, Tensor) else images

    def _distance(self, first: Tensor, second: Tensor) -> Tensor:
        dtype = torch.promote_types(first.dtype, torch.float32)  # bfloat16 would round small differences away
        return F.smooth_l1_loss(first.to(dtype), second.to(dtype), beta=self.beta)

    def _weighted(self, terms: Mapping[str, Tensor]) -> Tensor:
        if not self.learned_weights:
            return torch.stack([self.loss_weights[name] * value for name, value in terms.items()]).sum()
        parts = [torch.exp(-self.log_weights[name]) * self.loss_weights[name] * value + self.log_weights[name]
                 for name, value in terms.items()]  # fmt: skip
        return torch.stack(parts).sum()

    def _check_finite(self, terms: Mapping[str, Tensor], batch: Batch) -> None:
        if not self._may_look():
            return
        wrong = [name for name, value in terms.items() if not bool(value.isfinite())]
        if wrong:
            raise DivergedError(
                f"The loss {', '.join(wrong)} is not finite in step {self.global_step}, of the images "
                f"{', '.join(map(str, batch['name']))}. Look at those, and lower the learning rate or clip gradients."
            )

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - Lightning's own
        """Step, then let the teacher follow: before any checkpoint of this step is written."""
        super().optimizer_step(*args, **kwargs)
        self.model.update_teacher(self.momentum_now())

    def momentum_now(self) -> float:
        """Return the teacher's momentum of this optimizer step."""
        if self.momentum_end is None:
            return self.momentum
        share = min(1.0, self.global_step / max(1, self.trainer.estimated_stepping_batches))
        return self.momentum + share * (self.momentum_end - self.momentum)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the number of batches, of which masks are functions."""
        super().on_save_checkpoint(checkpoint)
        checkpoint["micro_steps"] = self.micro_steps

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the number of batches."""
        super().on_load_checkpoint(checkpoint)
        self.micro_steps = int(checkpoint.get("micro_steps", 0))

    # Evaluation ---------------------------------------------------------------------------------------------

    def evaluate(self, batch: Batch, stage: Stage) -> Tensor:
        """Count one batch with the masks of epoch and step 0; logs ``<stage>/loss``.

        Returns:
            What became of each patch, ``(B, R, C)``, see :func:`hqzoo.tasks.mask_panel.as_map`.
        """
        masks = self.masks.draw(sample_keys(batch["name"]).to(self.device), 0, 0)
        embedded = self.model.embed(self._images(batch), masks)
        loss = self._weighted(self.terms(embedded, 0))
        self.log(f"{stage}/loss", loss, on_step=False, on_epoch=True, sync_dist=True, batch_size=self.size_of(batch))
        columns = {"main": embedded.image}
        if (aligned := self.model.aligned(embedded)) is not None:
            columns["aligned"], columns["other"] = aligned
        if embedded.compared is not None:
            columns["fidelity"], columns["fidelity_of_others"] = self.model.fidelities(embedded.compared)
        if "label" in batch:
            columns["label"] = batch["label"]
        self.held_out.add(batch["name"], batch.get("scene"), **columns)
        return as_map(masks, self.masks.grid)

    def draw_panel(self, samples: list[Mapping[str, Any]], predictions: list[Tensor], path: Path) -> Path:
        """Draw the sensors' images with the patches that are context, and those of each target (the paper's Fig. 4)."""
        return draw_masks(samples, predictions, self._inputs().sensors, path)

    def summarise(self, stage: Stage) -> Found:
        """Return the state of the embeddings of all images of the split."""
        found = self.held_out.gather()
        main = found["main"].astype(np.float64)
        aligned = None
        if "other" in found:
            aligned = found["aligned"].astype(np.float64), found["other"].astype(np.float64)
        samples = {"name": found["name"]}
        if len(main) < 2:
            raise ConfigError(f"Embeddings are compared with each other: {stage} needs two images, it has {len(main)}.")
        scores: dict[str, float | None] = dict(health(main, aligned))
        if aligned is not None:
            samples["rank"] = ranks(aligned[1], aligned[0])
            samples["average_precision"] = 1 / samples["rank"]  # one image alone is right
        if "fidelity" in found:
            samples |= {name: found[name] for name in FIDELITIES}
            scores["fidelity_gap"] = float((found["fidelity"] - found["fidelity_of_others"]).mean())
        details = {"images": len(main), "chance_recall_at_1": 1 / len(main)}
        details |= {name: float(found[name].mean()) for name in FIDELITIES if name in found}
        if "label" in found:
            labelled = _labelled(found["label"])
            details["labelled"] = int(labelled.sum())
            if details["labelled"] > 1:
                scores["knn"] = neighbour_accuracy(main[labelled], found["label"][labelled])
        scores["epps_pulley"] = _normality(main, self.seed)
        self._warn_of_collapse(scores)
        for metric in self.metrics[1:]:
            scores.setdefault(metric.name, None)  # what needs a loss or labels that are not there
        return Found(scores, details=details, samples=samples)

    def logged(self, found: Found) -> Mapping[str, float | None]:
        """Return the scores, and the fidelities whose difference is one of them."""
        return {**found.scores, **{name: found.details[name] for name in FIDELITIES if name in found.details}}

    def _warn_of_collapse(self, scores: Mapping[str, float | None]) -> None:
        rank, cosine = scores["rank_me"] or 0.0, scores["cosine"] or 0.0
        if rank > COLLAPSED_RANK and cosine < COLLAPSED_COSINE:
            return
        sentence = (
            f"After {self.global_step} steps all images look alike to the encoder: effective rank {rank:.2f}, mean "
            f"cosine of two images {cosine:.4f}. If they go on to, the embeddings have collapsed: raise the weight of "
            "sigreg, or lower the learning rate."
        )
        if self.on_collapse == "raise" and not self.trainer.sanity_checking:
            raise DivergedError(sentence)
        warnings.warn(sentence, UserWarning, stacklevel=2)


def sample_keys(names: list[str]) -> Tensor:
    """Return a number ``(B,)`` int64 for each sample's name, the same wherever and whenever it is seen."""
    digests = [hashlib.blake2b(str(name).encode(), digest_size=8).digest() for name in names]
    return torch.tensor([int.from_bytes(each, "little", signed=True) for each in digests], dtype=torch.int64)


def _labelled(labels: np.ndarray[Any, Any]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which images have labels ``(N,)`` or ``(N, K)``: those of others are NaN."""
    known = ~np.isnan(labels.reshape(len(labels), -1).astype(np.float64))
    return np.asarray(known.all(1))


def _normality(vectors: np.ndarray[Any, np.dtype[np.float64]], seed: int, directions: int = 64) -> float:
    """Return the mean Epps-Pulley statistic per image of standardised embeddings along random directions."""
    standard = torch.from_numpy((vectors - vectors.mean(0)) / np.maximum(vectors.std(0), 1e-12))
    generator = torch.Generator().manual_seed(seed)
    axes = F.normalize(torch.randn(directions, standard.shape[1], generator=generator, dtype=torch.float64), dim=1)
    found = [float(exact_epps_pulley(each)) / len(standard) for each in axes @ standard.T]
    return math.fsum(found) / len(found)
