"""Lead Quality Index: the index of a class distribution, its standard error and 95 % interval. Pure."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

CLASSES = ("A", "B", "C", "D")
# Weight of a class by weights_version; a version missing here gives no recomputed index.
WEIGHTS: dict[str, dict[str, float]] = {"w1": {"A": 1.0, "B": 0.6, "C": 0.3, "D": 0.0}}
SMALL_SAMPLE = 30  # below it an index supports neither attribution nor a signal
TINY_SAMPLE = 10  # below it the normal interval is far too short
TOLERANCE = 0.0015  # stored as numeric(6,3): half a unit of the last place, and float noise
Z_95 = 1.959963984540054


@dataclass(frozen=True)
class Index:
    """An index of `n` scored leads with its uncertainty, all in LQI points (0-100)."""

    n: int
    lqi: float
    se: float
    ci_low: float
    ci_high: float

    @property
    def is_small_sample(self) -> bool:
        """Whether the index is too uncertain to act on."""
        return self.n < SMALL_SAMPLE


def lqi(counts: Mapping[str, int], weights_version: str | None) -> Index | None:
    """The index of class counts, or None where it has no value: nobody scored, or unknown weights.

    LQI = 100 * sum(w n) / sum(n); SE = 100 * sqrt((sum(w^2 p) - (sum(w p))^2) / n). The interval is
    LQI +- 1.96 SE within 0-100; below ten leads it is that of the posterior under Jeffreys' prior, as the
    normal one would shrink to a point when the few leads share a class. Raises ValueError for an unknown class
    or a negative count.
    """
    if set(counts) - set(CLASSES) or any(n < 0 for n in counts.values()):
        raise ValueError(f"not class counts: {dict(counts)}")
    n = sum(counts.values())
    weights = WEIGHTS.get(weights_version or "")
    if weights is None or n == 0:
        return None
    mean, variance = _moments(counts, weights)
    value, se = 100 * mean, 100 * math.sqrt(variance / n)
    centre, half = value, Z_95 * se
    if n < TINY_SAMPLE:
        posterior = {c: counts.get(c, 0) + 0.5 for c in CLASSES}
        mean, variance = _moments(posterior, weights)
        centre, half = 100 * mean, Z_95 * 100 * math.sqrt(variance / (sum(posterior.values()) + 1))
    low, high = max(centre - half, 0.0), min(centre + half, 100.0)
    return Index(n, value, se, min(low, value), max(high, value))


def _moments(counts: Mapping[str, float], weights: Mapping[str, float]) -> tuple[float, float]:
    """Mean and variance of a lead's weight under the distribution of `counts`."""
    total = sum(counts.values())
    mean = math.fsum(weights[c] * n for c, n in counts.items()) / total
    # Around the mean instead of E[w^2] - E[w]^2: the same, and never negative.
    return mean, math.fsum(n * (weights[c] - mean) ** 2 for c, n in counts.items()) / total
