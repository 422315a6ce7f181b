"""The quiet presets: limits and a CUSUM that know how few points their baseline has.

Limits taken from m points are themselves uncertain, and Wheeler's constants take them as known: with 26 points a
third of all unchanged series raise a signal within 26 windows. Here both the width of the limits and the CUSUM's
decision interval depend on m; with many points they end at the constants for known limits.

Here live the tables, the widening of limits, the standardising that the CUSUM needs, and the rule that makes
signals of it. Not here: the CUSUM itself (cusum.py), the presets (rules.py), the measured figures (docs/xmr.md,
section 7).

The tables are for normal, independent values and are made by benchmarks/calibrate_quiet.py, which says how; they
are interpolated linearly in 1/m. Sources: Quesenberry, The effect of sample size on estimated limits, Journal of
Quality Technology 25 (1993), 237-247; Jones, Champ and Rigdon, The run length distribution of the CUSUM with
estimated parameters, same journal 36 (2004), 95-108.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from dreamclass_intel.xmr.cusum import Shifts, sums
from dreamclass_intel.xmr.limits import BoolArray, FloatArray, IntArray, Limits
from dreamclass_intel.xmr.panel import Panel
from dreamclass_intel.xmr.patterns import Hits

Table = dict[float, float]

# k: half of 1.2 sigma. Of 0.5, 0.55, 0.6 and 0.7 the best at 1 to 1.5 sigma for a baseline of 26.
REFERENCE = 0.6

# {points: L}: a new value lies outside centre +- L mR-bar once in 1,000 windows.
WIDTHS: Table = {
    2: 551.328, 3: 34.796, 4: 13.453, 5: 9.159, 6: 7.445, 8: 5.764, 10: 4.962, 12: 4.54, 16: 4.037, 20: 3.769,
    26: 3.538, 36: 3.352, 52: 3.215, 78: 3.109, 104: 3.061, 156: 3.01, 260: 2.973, 520: 2.944, math.inf: 2.916,
}  # fmt: skip
_THREE_SIGMA = 1.5 * math.sqrt(math.pi)  # 3/d2: what a convention's factor means

# {points: h}: the CUSUM signals on one unchanged series in 20 over the very points that made its limits.
OWN: Table = {
    6: 1.3, 8: 1.634, 10: 1.917, 12: 2.154, 16: 2.549, 20: 2.838, 26: 3.186, 36: 3.619, 52: 4.081, 78: 4.577,
    104: 4.924, 156: 5.382, 260: 5.925, 520: 6.617,
}  # fmt: skip
_SHORTEST, _LONGEST = min(OWN), max(OWN)


@dataclass(frozen=True)
class Design:
    """One choice of how quiet and how quick: `share` of unchanged series may raise any signal within 26 windows
    after a locked baseline; both sums start at `head` times the decision interval; `held` is {points: h}.
    """

    share: float
    head: float
    held: Table


DESIGNS = {
    # The large head start finds a shift that is there when the limits lock, at the price of later ones.
    "quiet": Design(
        share=0.092,
        head=0.4,
        held={
            6: 19.109, 8: 13.415, 10: 10.636, 12: 8.963, 16: 7.461, 20: 6.769, 26: 6.053, 36: 5.53, 52: 5.136,
            78: 4.858, 104: 4.732, 156: 4.562, 260: 4.493, 520: 4.412, math.inf: 4.345,
        },
    ),
    # As quick as Wheeler's rules whenever the shift comes.
    "quiet_even": Design(
        share=0.16,
        head=0.2,
        held={
            6: 9.853, 8: 7.486, 10: 6.413, 12: 5.754, 16: 5.052, 20: 4.703, 26: 4.349, 36: 4.079, 52: 3.873,
            78: 3.707, 104: 3.636, 156: 3.544, 260: 3.493, 520: 3.445, math.inf: 3.413,
        },
    ),
}  # fmt: skip


def widening(points: IntArray) -> FloatArray:
    """By how much limits of three sigma resting on `points` (any shape, at least 2; 0 for known ones) are
    widened. Raises ValueError for one point or a negative number.
    """
    if np.any((points < 2) & (points != 0)):
        raise ValueError("points must be at least 2, or 0 for limits that are known")
    return _look_up(WIDTHS, points) / _THREE_SIGMA


def factor(points: int, preset: str, fitted: int = 1) -> float:
    """By how much the preset widens limits that rest on `points` values, from which `fitted` centres were taken (those
    of a season's windows; a later value misses them by more); 1 for a preset that is none of the quiet ones.
    """
    if preset not in DESIGNS:
        return 1.0
    return float(widening(np.array(points))) * math.sqrt((points + fitted) / (points + 1))


def widened(limits: Limits, preset: str) -> Limits:
    """The limits as a quiet preset draws and judges by them; those of another preset as they are.

    For limits computed here: stated ones are somebody's decision and stay. Made for the mean and the mean moving
    range; medians are less sure of themselves, so theirs stay a little too narrow.
    """
    if preset not in DESIGNS:
        return limits
    q = factor(limits.n, preset)
    return replace(
        limits,
        unpl=limits.center + q * (limits.unpl - limits.center),
        lnpl=limits.center + q * (limits.lnpl - limits.center),
        limits_id=f"{limits.limits_id}q",
    )


@dataclass(frozen=True)
class Cusum:
    """The rule: one event for every time the CUSUM of a quiet preset says that the level has moved.

    It starts at the estimated change point, is known when the sum leaves its decision interval and ends when it is
    back; its members are all points between. The sums depend on all windows since the baseline: no `reach`.
    """

    preset: str
    name: str = "cusum"
    reach: None = None

    def find(self, panel: Panel) -> Hits | None:
        """What the panel holds of this pattern; None: nothing."""
        rows, count = panel.x.shape
        if not rows:
            return None
        base = np.zeros((rows, count), np.bool_) if panel.base is None else panel.base()
        _, found = shifts(
            panel.x.T,
            np.asarray(panel.center).T,
            np.asarray(panel.sigma).T,
            base=base.T,
            points=np.broadcast_to(np.asarray(panel.n), (count,)),
            locked=np.broadcast_to(np.asarray(panel.locked), (count,)),
            fitted=panel.fitted,
            preset=self.preset,
        )
        if not found.side.size:
            return None
        edges = np.zeros((2, rows + 1, count), np.int8)
        edges[found.side, found.start, found.series] += 1
        edges[found.side, found.end + 1, found.series] -= 1
        members = np.cumsum(edges[:, :-1], axis=1, dtype=np.int8).astype(np.bool_) & panel.judged
        return Hits(found.side, found.series, found.start, found.end, found.known, members, marks=members)


def shifts(
    x: FloatArray,
    center: FloatArray | float,
    sigma: FloatArray | float,
    *,
    base: BoolArray,
    points: IntArray,
    locked: BoolArray,
    fitted: int = 1,
    preset: str = "quiet",
) -> tuple[FloatArray, Shifts]:
    """The CUSUM of many charts: both sums, shape [2, series, time], and their signals.

    x: shape [series, time]; NaN is a window that is missing or not judged: the sums stay as they are over it.
    center, sigma: the limits' centre and one sigma by their moving ranges; what broadcasts to x.
    base: shape [series, time], the windows whose values made the limits; points: shape [series], how many points
        they rest on, 0 for known limits; locked: shape [series], whether the limits stand still.
    fitted: how many figures beside the width were taken from those points: 1 for a centre, a season's factors.
    Values are counted in standard deviations of the baseline: for the same false alarms in a series without
    change it finds more than mR-bar, and it alarms less on autocorrelation and season. Where `base` does not hold
    all the points (limits from elsewhere) `sigma` stands in.
    Locked limits: the sums start after the baseline. Limits of all points: they start at the first point, with
    the interval of `OWN` and no head start; with each new point all of it is counted anew. No CUSUM below 6
    points, and none where sigma is 0: any other value is outside the limits then.
    Raises ValueError for an unknown preset or shapes that do not fit.
    """
    if preset not in DESIGNS:
        raise ValueError(f"preset must be one of {', '.join(DESIGNS)}, not {preset!r}")
    if base.shape != x.shape or points.shape != x.shape[:1] or locked.shape != x.shape[:1]:
        raise ValueError(f"x {x.shape}, base {base.shape}, points {points.shape}, locked {locked.shape} do not fit")
    unit = np.asarray(sigma, dtype=np.float64)
    with np.errstate(over="ignore"):
        z = np.divide(x - center, unit, out=np.full(x.shape, np.nan), where=unit > 0)
    inside = base & ~np.isnan(z)
    whole = (inside.sum(axis=1) == points) & (points > 1)
    with np.errstate(over="ignore"):
        square = np.where(inside, z, 0.0) ** 2
    freedom = np.where(locked, points - fitted, points - 1)
    deviation = np.sqrt(square.sum(axis=1) / np.maximum(freedom, 1))
    # A later window misses its own points' average by more than they do; the tables allow for one centre.
    deviation *= np.where(locked, np.sqrt((points + fitted) / (points + 1)), 1.0)
    z /= np.where(whole & (deviation > 0) & np.isfinite(deviation), deviation, 1.0)[:, None]
    places = np.arange(x.shape[1])
    first = np.where(locked, np.where(base, places + 1, 0).max(axis=1, initial=0), 0)
    z[places < first[:, None]] = np.nan
    design = DESIGNS[preset]
    interval = np.where(locked, _look_up(design.held, points), _own(points))
    interval[(points > 0) & (points < _SHORTEST)] = np.inf
    head = np.where(locked & np.isfinite(interval), design.head, 0.0) * np.where(np.isfinite(interval), interval, 0.0)
    return sums(z, reference=REFERENCE, interval=interval, head=head)


def _own(points: IntArray) -> FloatArray:
    # Beyond the table the sum's largest value grows like the logarithm of the length (Siegmund 1985), by 1/2k.
    known = _look_up(OWN, np.where(points > 0, points, _LONGEST))
    return known + np.log(np.maximum(points, _LONGEST) / _LONGEST) / (2 * REFERENCE)


def _look_up(table: Table, points: IntArray) -> FloatArray:
    """The table at `points`, linearly in 1/points; 0 points: the entry for infinitely many."""
    sizes = np.array(sorted(table, reverse=True))
    inverse = np.divide(1.0, points, out=np.zeros(np.shape(points)), where=points > 0)
    return np.interp(inverse, 1 / sizes, np.array([table[size] for size in sizes]))
