"""What `analyse` may be given, checked: values, indices, baselines. Every refusal names the argument and the index."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence

import numpy as np

from dreamclass_intel.xmr.adjust import Season
from dreamclass_intel.xmr.limits import Baseline, FloatArray, Limits

Policy = Baseline | Limits | None


def numbers(values: Sequence[float | None] | FloatArray, name: str = "values") -> FloatArray:
    """A fresh float64 array of the values; ValueError naming the first index that holds no finite number."""
    if isinstance(values, np.ma.MaskedArray):
        values = np.ma.filled(values.astype(np.float64), np.nan)
    if isinstance(values, str | bytes):
        raise ValueError(f"{name} must be a sequence of numbers, not text")
    array = np.asarray(values) if hasattr(values, "__array__") else None
    if array is not None and array.dtype.kind in "fiu":
        x = array.astype(np.float64)
    else:
        items = list(values)
        # Types are looked at first because numpy would take "1.5" and True for numbers.
        plain = set(map(type, items)) <= {float, int, type(None)}
        try:
            x = np.array(items if plain else [_number(i, v, name) for i, v in enumerate(items)], dtype=np.float64)
        except OverflowError:
            x = np.array([_number(i, v, name) for i, v in enumerate(items)], dtype=np.float64)
    if x.ndim != 1:
        raise ValueError(f"{name} must be one series, not an array of shape {x.shape}")
    if not math.isfinite(np.add.reduce(x)) and (infinite := np.flatnonzero(np.isinf(x))).size:
        raise ValueError(f"{name}[{infinite[0]}] is infinite")
    return x


def _number(index: int, value: object, name: str) -> float:
    """One value as a float; None stays a missing window."""
    if value is None:
        return float("nan")
    if not isinstance(value, str | bytes | bool | np.bool_):
        try:
            return float(value)  # type: ignore[arg-type]  # Decimal, Fraction, numpy scalars
        except (TypeError, ValueError, OverflowError):
            pass
    raise ValueError(f"{name}[{index}] is not a number: {value!r:.60}")


def indices(name: str, given: Sequence[int], n: int) -> tuple[int, ...]:
    """Sorted distinct indices below n; ValueError for a negative one and for what is no whole number."""
    found = sorted({whole(name, i) for i in given})
    if found and found[0] < 0:
        raise ValueError(f"{name} are indices from 0, not {found[0]}")
    return tuple(i for i in found if i < n)


def whole(name: str, value: object) -> int:
    """A whole number, or ValueError: 2.5 is not cut to 2."""
    try:
        return operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise ValueError(f"{name}: a whole number is needed, not {value!r:.60}") from None


def check_bounds(bounds: tuple[float | None, float | None]) -> None:
    """Raise ValueError for natural bounds that leave no room or are no numbers."""
    low, high = (-math.inf if bounds[0] is None else bounds[0], math.inf if bounds[1] is None else bounds[1])
    if not low < high:
        raise ValueError(f"bounds need a lower one below the upper one, not {bounds}")


def policies_for(baseline: Policy | Sequence[Policy], edges: tuple[int, ...], dividers: int) -> list[Baseline | None]:
    """One policy for each segment. Of `dividers` some may lie beyond the end of the series: their policies wait."""
    count = len(edges) - 1
    if baseline is None:
        return [None] * count
    if isinstance(baseline, Sequence):
        if len(baseline) not in (count, dividers + 1):
            raise ValueError(f"{len(baseline)} baselines for {count} segments")
        return [Baseline(limits=b) if isinstance(b, Limits) else b for b in baseline[:count]]
    if isinstance(baseline, Limits):
        return [Baseline(limits=baseline)] * count
    if baseline.start is None or baseline.stop is None:
        return [baseline] * count
    for divider in edges[1:-1]:
        if baseline.start < divider < baseline.stop:
            raise ValueError(f"the baseline range {baseline.start}..{baseline.stop} crosses a divider at {divider}")
    home = sum(edge <= baseline.start for edge in edges[1:-1])
    others = Baseline(baseline.count, baseline.minimum, baseline.trial_below)
    return [baseline if k == home else others for k in range(count)]


def check_season(policy: Baseline | None, season: Season | None, number: int) -> None:
    """Raise ValueError for a baseline that can never hold two seasons."""
    if season is None or policy is None or policy.limits is not None:
        return
    ranged = policy.start is not None and policy.stop is not None
    held = policy.stop - policy.start if ranged else policy.count  # type: ignore[operator]
    if held < 2 * season.length:
        raise ValueError(
            f"the baseline of segment {number} holds {held} windows, two seasons of {season.length} need "
            f"{2 * season.length}"
        )
