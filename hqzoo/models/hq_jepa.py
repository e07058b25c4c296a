"""HQ-JEPA (Hossain et al., arXiv 2605.31068): joint-embedding prediction across two sensors, with a fidelity loss."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hqzoo.data.sensor import Inputs
from hqzoo.errors import ConfigError, unknown_name
from hqzoo.models.protocol import Model
from hqzoo.models.registry import register_model
from hqzoo.nn import Control, fill
from hqzoo.nn.block_fusion import BlockFusion
from hqzoo.nn.block_masks import Masks
from hqzoo.nn.fidelity import FidelityAgreement
from hqzoo.nn.token_encoder import TokenEncoder, chosen_tokens, hybrid_pattern
from hqzoo.nn.token_predictor import TokenPredictor
from hqzoo.nn.transformer import TokenMlp

__all__ = ["HQJEPA", "LOSSES", "Embedded", "hq_jepa"]

LOSSES = ("token", "cross_modal", "sigreg", "fidelity")
OF_BOTH_SENSORS = ("cross_modal", "sigreg")


@dataclass(frozen=True)
class Embedded:
    """What HQ-JEPA makes of a batch under masks; parts that no loss asks for are None.

    Args:
        predicted: Predicted tokens of the target blocks, ``(B, M, N, D)``.
        targets: The teacher's, normalised, without gradient, ``(B, M, N, D)``.
        other: Projected tokens of the other sensor, ``(B, M, N, D)``.
        fused: Joint vectors of both sensors, ``(B, M, Z)``.
        compared: What the fidelity loss compares: means of context ``(B, D)`` and target tokens ``(B, M, D)``, and
            codes of the targets' places ``(B, M, Q)``.
        seen: All of the teacher's tokens, without gradient, ``(B, P, D)``.
        other_seen: All of the other sensor's encoder's, before they are projected, ``(B, P, D)``.
    """

    predicted: Tensor
    targets: Tensor
    other: Tensor | None
    fused: Tensor | None
    compared: tuple[Tensor, Tensor, Tensor] | None
    seen: Tensor
    other_seen: Tensor | None

    @property
    def image(self) -> Tensor:
        """The teacher's vector of each image, ``(B, D)``."""
        return self.seen.mean(1)


class HQJEPA(Model):
    """Student, teacher, predictor and what the other losses need; see :func:`hq_jepa`.

    Attributes:
        student: Encoder that is trained.
        teacher: Its slow average, without gradient; see :meth:`update_teacher`.
        grid: Rows and columns of patches.
    """

    def __init__(
        self,
        main: str,
        other: str | None,
        student: TokenEncoder,
        predictor: TokenPredictor,
        other_encoder: nn.Module | None,
        head: nn.Module | None,
        fusion: BlockFusion | None,
        fidelity: FidelityAgreement | None,
        pair: Literal["same", "cross"],
    ) -> None:
        super().__init__()
        self.main, self.other, self.pair = main, other, pair
        self.student, self.predictor = student, predictor
        self.teacher = copy.deepcopy(student).requires_grad_(False)
        self.other_encoder, self.head, self.fusion, self.fidelity = other_encoder, head, fusion, fidelity
        self.grid = student.grid
        self.size_multiple = (student.patch, student.patch)
        self.input_size = self.grid[0] * student.patch

    def compared_parts(self) -> dict[str, nn.Module]:
        """Return what controls replace: the circuit of the fidelity loss (``core``)."""
        return {"core": self.fidelity.core} if self.fidelity is not None else {}

    def quantum_parts(self) -> dict[str, nn.Module]:
        """Return the circuit, or what stands in its place."""
        return {"fidelity.core": self.fidelity.core} if self.fidelity is not None else {}

    def forward(self, images: Mapping[str, Tensor] | Tensor, teacher: bool = True) -> Tensor:
        """Return features ``(B, D)`` of images ``(B, C, H, W)``: the mean of the tokens of the main sensor's encoder.

        Args:
            images: The main sensor's, alone or by name.
            teacher: Whether the teacher's or the student's. Which one the paper evaluates is not stated: CHOICE the
                teacher's, as I-JEPA does.
        """
        image = images if isinstance(images, Tensor) else images[self.main]
        out: Tensor = (self.teacher if teacher else self.student)(image).mean(1)
        return out

    def aligned(self, embedded: Embedded) -> tuple[Tensor, Tensor] | None:
        """Return means ``(B, D)`` of what ``cross_modal`` aligns, both sensors' normalised tokens; None without."""
        if self.head is None or embedded.other_seen is None:
            return None
        tokens = embedded.seen, self.head(embedded.other_seen)
        main, other = (F.layer_norm(each, each.shape[-1:]).mean(1) for each in tokens)
        return main, other

    def embed(self, images: Mapping[str, Tensor], masks: Masks) -> Embedded:
        """Return what the losses compare.

        Args:
            images: Normalised images by sensor name, ``(B, C, H, W)``.
            masks: Context and targets, the same for both sensors.
        """
        context = self.student(images[self.main], masks.context)
        predicted = self.predictor(context, masks.context, masks.targets)
        with torch.no_grad():
            seen = self.teacher(images[self.main])
            targets = chosen_tokens(F.layer_norm(seen, seen.shape[-1:]), masks.targets)
        other = other_seen = fused = compared = None
        if self.other_encoder is not None and self.head is not None:
            other_seen = self.other_encoder(images[str(self.other)])
            other = self.head(chosen_tokens(other_seen, masks.targets))
        if self.fusion is not None and other is not None:
            fused = self.fusion(predicted.mean(2), other.mean(2))
        if self.fidelity is not None:
            tokens = other if self.pair == "cross" and other is not None else chosen_tokens(seen, masks.targets)
            compared = context.mean(1), tokens.mean(2), self.predictor.summary(masks.targets)
        return Embedded(predicted, targets, other, fused, compared, seen, other_seen)

    @torch.no_grad()
    def fidelities(self, compared: tuple[Tensor, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return the mean fidelity ``(B,)`` of each image's context with its own targets, and with the next image's.

        Args:
            compared: As :meth:`embed` returns it.

        Raises:
            ConfigError: If the model has no fidelity loss.
        """
        if self.fidelity is None:
            raise ConfigError("This HQ-JEPA has no fidelity loss.")
        context, targets, codes = compared
        own, of_others = (self.fidelity(context, each, codes).mean(1) for each in (targets, targets.roll(1, 0)))
        return own, of_others

    @torch.no_grad()
    def update_teacher(self, momentum: float) -> None:
        r"""Move the teacher, :math:`\xi \leftarrow m \xi + (1 - m) \theta` (eqs. 4 and 19), in float32."""
        for slow, fast in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
            slow.lerp_(fast.to(slow.dtype), 1 - momentum)
        if self.fidelity is not None:
            self.fidelity.update()


@register_model(
    summary="masked prediction across two sensors: hybrid Mamba-ViT, EMA teacher, SIGReg, quantum fidelity loss",
    kind="pretraining",
    parameters=67_284_397,  # the teacher's among them, with 12 and 2 bands
    quantum_parameters=15,
    qubits=10,
    paper="arXiv 2605.31068",
    published={"m-eurosat": "82.59 % (linear probe), 97.81 % (fine-tuned)"},
    limits={"any_size": "positions are those of a grid of patches"},
    controls=("quantum", "product", "cosine", "mse", "shuffled", "none", "separable", "frozen", "zero"),
)
def hq_jepa(
    inputs: Inputs,
    main: str = "s2",
    other: str = "s1",
    image_size: int = 120,
    patch: int = 10,
    width: int = 512,
    heads: int = 8,
    depth: int = 8,
    pattern: str = "",
    predictor: Literal["mask", "query"] = "mask",
    predictor_width: int = 256,
    predictor_depth: int = 6,
    other_depth: int = 4,
    other_pattern: str = "",
    fused_width: int = 128,
    losses: Collection[str] = LOSSES,
    fidelity: dict[str, Any] | None = None,
    fqs_pair: Literal["s2s2", "s2s1"] = "s2s2",
    control: Control = "quantum",
    control_hidden: int | None = None,
    engine: str = "auto",
) -> HQJEPA:
    """Build HQ-JEPA for pretraining.

    The paper states two sensors, patches of 10, four targets and a context, encoders of 4, 6, 8 or 10 blocks (8), the
    EMA teacher with momentum 0.996, and the losses; widths, heads and the other numbers are CHOICEs.

    Args:
        inputs: Sensors and statistics.
        main: Name of the sensor whose tokens are predicted.
        other: Name of the sensor that is aligned with it; needed by ``cross_modal`` and ``sigreg`` alone.
        image_size: Side of the images, in pixels (deduced: 120, BigEarthNet's).
        patch: Side of a patch, in pixels (published: 10).
        width: Channels D of a token. CHOICE 512.
        heads: Heads of attention. CHOICE 8.
        depth: Blocks of the student (published: 8).
        pattern: A letter per block, ``M`` or ``A``; empty: :func:`hqzoo.nn.token_encoder.hybrid_pattern` of the depth.
        predictor: Form of the predictor, see :class:`hqzoo.nn.token_predictor.TokenPredictor`.
        predictor_width: Its channels. CHOICE 256.
        predictor_depth: Its blocks. CHOICE 6.
        other_depth: Blocks of the other sensor's encoder. CHOICE 4.
        other_pattern: Its pattern, as ``pattern``.
        fused_width: Channels of the joint vectors. CHOICE 128.
        losses: What it is trained for, of ``token``, ``cross_modal``, ``sigreg``, ``fidelity``; what no loss needs is
            not built.
        fidelity: Arguments of :class:`hqzoo.nn.fidelity.FidelityAgreement`.
        fqs_pair: What the fidelity compares with the context of the main sensor: targets of the same sensor (published:
            ``s2s2``), or of the other one.
        control: What stands in the circuit's place, see :class:`hqzoo.nn.fidelity.FidelityAgreement`.
        control_hidden: Not used: learned similarities are refused.
        engine: Engine of the circuit.

    Raises:
        ConfigError: If an argument is unknown or does not fit, or a sensor is missing.
        CircuitError: If the circuit's options are wrong.
    """
    for loss in losses:
        if loss not in LOSSES:
            raise ConfigError(unknown_name("loss", loss, LOSSES))
    if "token" not in losses:
        raise ConfigError(f"losses={list(losses)}: without 'token' nothing is predicted.")
    if image_size % patch:
        raise ConfigError(f"patch={patch} does not divide image_size={image_size}.")
    both = bool({*OF_BOTH_SENSORS} & {*losses}) or ("fidelity" in losses and fqs_pair == "s2s1")
    for name in (main, other) if both else (main,):
        if name not in inputs.sensors:
            raise ConfigError(
                f"HQ-JEPA with the losses {', '.join(losses)} needs the sensor '{name}'; the data have "
                f"{', '.join(inputs.sensors)}. Name it with main= and other=, or leave out "
                f"{', '.join(OF_BOTH_SENSORS)}."
            )
    grid = (image_size // patch, image_size // patch)
    student = TokenEncoder(len(inputs.sensors[main]), grid, patch, width, heads, pattern or hybrid_pattern(depth))
    predict = TokenPredictor(width, grid, predictor_width, predictor_depth, heads, predictor)
    encoder = head = fusion = agreement = None
    if both:
        bands = len(inputs.sensors[other])
        encoder = TokenEncoder(bands, grid, patch, width, heads, other_pattern or hybrid_pattern(other_depth))
        head = nn.Sequential(nn.LayerNorm(width, eps=1e-6), TokenMlp(width, 1.0))
    if "sigreg" in losses:
        fusion = BlockFusion(width, fused_width, heads)
    if "fidelity" in losses:
        agreement = FidelityAgreement(width, predictor_width, engine=engine, **(fidelity or {}))
    pair: Literal["same", "cross"] = "cross" if fqs_pair == "s2s1" else "same"
    model = HQJEPA(main, other if both else None, student, predict, encoder, head, fusion, agreement, pair)
    fill(model, control, control_hidden)
    return model
