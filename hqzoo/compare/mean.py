r"""A mean difference that is known with an error: interval, tests against 0 and a margin, and their power.

All of it follows from three numbers: the value :math:`\bar d`, its standard error :math:`\sqrt V` and the degrees of
freedom :math:`\nu` with which that error is known. How :math:`V` comes about is said where means are made:
:mod:`hqzoo.compare.components`, :mod:`hqzoo.compare.statistics`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import stats
from scipy.optimize import brentq

from hqzoo.errors import ConfigError

__all__ = ["Mean", "power_of_difference", "without_spread"]

ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""Differences nearer than this, relative to what was subtracted, may differ by rounding alone."""


@dataclass(frozen=True)
class Mean:
    """A mean difference with its standard error.

    Args:
        value: The mean.
        error: Its standard error; 0: without any spread.
        degrees: Degrees of freedom with which the error is known.
    """

    value: float
    error: float
    degrees: float

    def ends(self, confidence: float) -> tuple[float, float]:
        r"""Return the interval :math:`\bar d \pm t_{(1+c)/2,\,\nu} \sqrt V` (Student 1908).

        Args:
            confidence: Coverage c, between 0 and 1.
        """
        half = float(stats.t.ppf((1 + confidence) / 2, self.degrees)) * self.error
        return self.value - half, self.value + half

    def p_of_difference(self) -> float:
        """Return the two-sided probability of a mean at least this far from 0, if there were no difference."""
        return min(1.0, 2 * self._upper_tail(abs(self.value)))

    def p_of_equivalence(self, margin: float) -> float:
        """Return the p-value of two one-sided t-tests (Schuirmann 1987): is the mean within ``margin`` of 0?

        Raises:
            ConfigError: If the margin is not positive.
        """
        if margin <= 0:
            raise ConfigError(f"margin={margin} must be positive: the difference that nobody would mind, such as 0.01.")
        return max(self._upper_tail(self.value + margin), self._upper_tail(margin - self.value))

    def detectable(self, power: float, alpha: float) -> float:
        """Return the difference that a test with this error finds, with its sign, with ``power``.

        Args:
            power: Chance of finding the difference, above ``alpha`` and below 1.
            alpha: Level of the two-sided test.

        Raises:
            ConfigError: If power and level make no sense.
        """
        if not 0 < alpha < power < 1:
            raise ConfigError(f"It takes 0 < alpha < power < 1, got alpha={alpha}, power={power}.")
        return _root(lambda shift: power_of_difference(shift, 1.0, self.degrees, alpha) - power) * self.error

    def _upper_tail(self, shift: float) -> float:
        """Return P(T > shift / standard error); without any spread the answer is certain."""
        if self.error == 0:
            return 0.0 if shift > 0 else 1.0 if shift < 0 else 0.5
        return float(stats.t.sf(shift / self.error, self.degrees))


def power_of_difference(difference: float, error: float, degrees: float, alpha: float = 0.05) -> float:
    r"""Return the chance that a two-sided t-test finds a difference with its sign.

    :math:`P(T'_\nu(\delta / \sqrt V) > t_{1-\alpha/2,\,\nu})` with the non-central t distribution (Cohen 1988,
    chapter 2).

    Args:
        difference: The true difference.
        error: Standard error of its mean.
        degrees: Degrees of freedom.
        alpha: Level of the test.
    """
    critical = float(stats.t.ppf(1 - alpha / 2, degrees))
    return float(stats.nct.sf(critical, degrees, difference / error))


def without_spread(differences: npt.ArrayLike, magnitude: float) -> bool:
    """Return whether differences are equal but for rounding.

    Args:
        differences: The differences.
        magnitude: Largest absolute value of the numbers that were subtracted.
    """
    return bool(np.ptp(np.asarray(differences, dtype=np.float64)) <= ROUNDING * magnitude)


def _root(function: Callable[[float], float]) -> float:
    """Return where a growing function that is negative at 0 is 0."""
    highest = 1.0
    while function(highest) < 0:
        highest *= 2
    return float(brentq(function, 0.0, highest, xtol=1e-12))
