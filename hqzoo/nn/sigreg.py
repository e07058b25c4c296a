"""SIGReg: how far a batch of vectors is from a standard normal distribution (LeJEPA, Balestriero and LeCun 2025)."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from hqzoo.errors import ConfigError
from hqzoo.nn.processes import several_processes, sum_over_processes

__all__ = ["SIGReg", "epps_pulley", "exact_epps_pulley"]

FORMS = {"package": (0.0, 3.0), "listing": (-5.0, 5.0)}
LEAST = 2  # vectors; one vector's distribution is a point


class SIGReg(nn.Module):
    r"""Mean of Epps and Pulley's statistic over random directions.

    .. math:: T = N \int \Big| \frac 1 N \sum_n e^{i t u_n} - e^{-t^2/2} \Big|^2 e^{-t^2/2} \, dt,
        \qquad u_n = \langle a, z_n \rangle

    The integral is a sum over points (trapezoid rule). All processes draw the same directions, and the vectors of all
    of them count: the loss is that of the whole batch.

    Args:
        slices: Directions M, drawn anew in every step. Not stated by HQ-JEPA: CHOICE 256.
        points: Points of the integral. CHOICE 17, as in both published forms.
        form: Where the points lie: on [0, 3], counted twice as the integrand is even (``"package"``, the published
            package's: CHOICE), or on [-5, 5] (``"listing"``, that of a widely copied listing). They differ by 4 % for
            normal vectors.
        normalize_by_n: Leave the factor N out, for batches of varying size. CHOICE False, as published.
        seed: Seed of the directions.

    Raises:
        ConfigError: If a number or the form makes no sense.
    """

    places: Tensor
    weights: Tensor

    def __init__(
        self,
        slices: int = 256,
        points: int = 17,
        form: Literal["package", "listing"] = "package",
        normalize_by_n: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        if form not in FORMS:
            raise ConfigError(f"form='{form}' is none of {', '.join(FORMS)}.")
        if slices < 1 or points < 3:
            raise ConfigError(f"SIGReg takes at least 1 slice and 3 points, got {slices} and {points}.")
        low, high = FORMS[form]
        places = torch.linspace(low, high, points)
        weights = torch.full((points,), (high - low) / (points - 1))
        weights[[0, -1]] /= 2
        weights *= 2 if low == 0 else 1
        self.register_buffer("places", places, persistent=False)
        self.register_buffer("weights", weights * torch.exp(-(places**2) / 2), persistent=False)
        self.slices, self.normalize_by_n, self.seed = slices, normalize_by_n, seed

    def directions(self, width: int, step: int) -> Tensor:
        """Return unit vectors ``(slices, width)``, a function of seed and step."""
        generator = torch.Generator().manual_seed((self.seed << 32) + step)
        return nn.functional.normalize(torch.randn(self.slices, width, generator=generator), dim=1)

    def forward(self, vectors: Tensor, step: int) -> Tensor:
        """Return the loss, a scalar in float32 (float64 for float64).

        Args:
            vectors: ``(..., D)``, of this process.
            step: Step from 0, the same on all processes.

        Raises:
            ConfigError: If there are fewer than two vectors.
        """
        dtype = torch.promote_types(vectors.dtype, torch.float32)
        with torch.autocast(vectors.device.type, enabled=False):
            flat = vectors.flatten(0, -2).to(dtype)
            if len(flat) < LEAST and not several_processes():
                raise ConfigError(f"SIGReg compares the distribution of vectors; a batch of {len(flat)} has none.")
            directions = self.directions(flat.shape[1], step).to(flat.device, dtype, non_blocking=True)
            return epps_pulley(flat @ directions.mT, self.places.to(dtype), self.weights.to(dtype), self.normalize_by_n)


def epps_pulley(projected: Tensor, places: Tensor, weights: Tensor, normalize_by_n: bool = False) -> Tensor:
    """Return the mean over columns of the statistic, of the vectors of all processes.

    Args:
        projected: ``(N, M)``: N numbers along each of M directions, of this process.
        places: Points t of the integral, ``(T,)``.
        weights: What each counts, ``(T,)``, with the window :math:`e^{-t^2/2}`.
        normalize_by_n: Leave the factor N out.
    """
    angles = projected[..., None] * places
    sums = torch.stack([angles.cos().sum(0), angles.sin().sum(0)])
    count = projected.new_tensor(float(len(projected)))
    if several_processes():
        joint = sum_over_processes(torch.cat([sums.flatten(), count[None]]))
        sums, count = joint[:-1].view_as(sums), joint[-1].detach()
    real, imaginary = sums / count
    error = (real - torch.exp(-(places**2) / 2)) ** 2 + imaginary**2
    statistic = (error @ weights).mean()
    scaled: Tensor = statistic if normalize_by_n else statistic * count
    return scaled


def exact_epps_pulley(numbers: Tensor) -> Tensor:
    r"""Return the statistic of numbers ``(N,)`` with the integral over all t in closed form.

    .. math:: \sqrt{2\pi} \Big( \frac 1 N \sum_{jk} e^{-(u_j - u_k)^2 / 2} - \sqrt 2 \sum_j e^{-u_j^2 / 4}
        + \frac N {\sqrt 3} \Big)

    (Epps and Pulley 1983; Baringhaus and Henze 1988). It is quadratic in N, the reference for tests and reports.
    """
    count = len(numbers)
    pairs = torch.exp(-((numbers[:, None] - numbers) ** 2) / 2).sum() / count
    singles = math.sqrt(2) * torch.exp(-(numbers**2) / 4).sum()
    return math.sqrt(2 * math.pi) * (pairs - singles + count / math.sqrt(3))
