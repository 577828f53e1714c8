"""What may be concluded from trials: intervals of one rate, and comparisons of two."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import beta, binomtest

Z95 = 1.959963984540054


def wilson(successes: int, trials: int, z: float = Z95) -> tuple[float, float]:
    """Confidence interval of a rate (Wilson 1927); (0, 1) without trials.

    Raises:
        ValueError: For counts that cannot be.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    if trials == 0:
        return 0.0, 1.0
    rate = successes / trials
    middle = (rate + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z * math.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2)) / (1 + z**2 / trials)
    return max(0.0, middle - half), min(1.0, middle + half)


def posterior(successes: int, trials: int, points: Sequence[float]) -> list[float]:
    """Density of Beta(1 + k, 1 + n - k) at `points` in [0, 1]: what a uniform prior has become."""
    return [float(beta.pdf(x, 1 + successes, 1 + trials - successes)) for x in points]


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two policies on the same starts.

    Attributes:
        pairs: Starts that both have tried.
        both, only_a, only_b, neither: How they went.
        difference: Rate of A less rate of B.
        interval: 95 % of it (Newcombe 1998, method 10 for paired rates).
        p_value: McNemar's exact test, two-sided: chance of a split at least this uneven of the
            starts on which they differ, if neither is better.
    """

    pairs: int
    both: int
    only_a: int
    only_b: int
    neither: int
    difference: float
    interval: tuple[float, float]
    p_value: float


def compare(a: Sequence[bool], b: Sequence[bool]) -> Comparison:
    """Compare outcomes on the same starts, in the same order.

    Raises:
        ValueError: When the two are not of one length.
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} outcomes against {len(b)}")
    both = sum(x and y for x, y in zip(a, b, strict=True))
    only_a = sum(x and not y for x, y in zip(a, b, strict=True))
    only_b = sum(y and not x for x, y in zip(a, b, strict=True))
    neither = len(a) - both - only_a - only_b
    split = only_a + only_b
    p_value = float(binomtest(only_a, split, 0.5).pvalue) if split else 1.0
    interval = _newcombe_paired(both, only_a, only_b, neither)
    difference = (only_a - only_b) / len(a) if a else 0.0
    return Comparison(len(a), both, only_a, only_b, neither, difference, interval, p_value)


def _newcombe_paired(both: int, only_a: int, only_b: int, neither: int) -> tuple[float, float]:
    """Newcombe, "Improved confidence intervals for the difference between binomial proportions
    based on paired data", Statistics in Medicine 1998, method 10."""
    n = both + only_a + only_b + neither
    if n == 0:
        return -1.0, 1.0
    rate_a, rate_b = (both + only_a) / n, (both + only_b) / n
    low_a, high_a = wilson(both + only_a, n)
    low_b, high_b = wilson(both + only_b, n)
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    cross = float(both * neither - only_a * only_b)
    # The continuity correction of the paper, for a positive correlation only.
    cross = max(cross - n / 2, 0.0) if cross > 0 else cross
    phi = cross / math.sqrt(margins) if margins else 0.0
    down_a, up_a, down_b, up_b = rate_a - low_a, high_a - rate_a, rate_b - low_b, high_b - rate_b
    difference = rate_a - rate_b
    down = math.sqrt(max(0.0, down_a**2 - 2 * phi * down_a * up_b + up_b**2))
    up = math.sqrt(max(0.0, down_b**2 - 2 * phi * down_b * up_a + up_a**2))
    return max(-1.0, difference - down), min(1.0, difference + up)
