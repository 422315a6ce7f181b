"""Natural process limits: the constants, the limits of a set of points, and the policy that says which
points.

Here live the scaling constants with their sources, `compute_limits`, the `Baseline` policy and `limits_for`,
which applies a policy to one segment. Not here: limits of rates and rare events (kinds.py), limits that
follow a trend or a season (adjust.py), the rules that judge points against limits (rules.py), and the cutting
of a series into segments (chart.py).
"""

from __future__ import annotations

import hashlib
import math
from bisect import bisect_left
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from dreamclass_intel.xmr.adjust import Adjustment

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
Status = Literal["trial", "computed", "locked"]


class Factors(NamedTuple):
    """What the average (or median) moving range is multiplied by: `npl` for the X limits, `url` for the mR
    limit.
    """

    npl: float
    url: float


_D2 = 2 / math.sqrt(math.pi)  # mean of |a - b| for two standard normals, 1.1283792
_D3 = math.sqrt(2 - 4 / math.pi)  # its standard deviation, 0.8525025
_D4 = 0.9538725524  # its median, sqrt(2) times the upper quartile 0.6744898 of the normal

# One row a convention: {spread: factors}. They differ in the third digit, which is enough to move a signal,
# so the convention is named and never mixed.
CONSTANTS: dict[str, dict[str, Factors]] = {
    # Wheeler, Making Sense of Data (SPC Press 2003): 2.660 and 3.268; for the median moving range 3.145 and
    # 3.865.
    "wheeler": {"mean": Factors(2.660, 3.268), "median": Factors(3.145, 3.865)},
    # Unrounded normal theory: 3/d2 = 2.6586808, 1 + 3 d3/d2 = 3.2665319; 3/d4 = 3.1450741, (d2 + 3 d3)/d4 =
    # 3.8641286.
    "exact": {
        "mean": Factors(3 / _D2, 1 + 3 * _D3 / _D2),
        "median": Factors(3 / _D4, (_D2 + 3 * _D3) / _D4),
    },
    # ASTM manual MNL 7 and NHS "Making Data Count": 2.66 and 3.267. Neither has a median form: Wheeler's
    # stands in.
    "astm": {"mean": Factors(2.66, 3.267), "median": Factors(3.145, 3.865)},
    # NIST/SEMATECH e-Handbook 6.3.2.2, qcc, qicharts2: 3/1.128 with d2 as printed; the median form with d4 as
    # printed.
    "d2_1128": {"mean": Factors(3 / 1.128, 3.267), "median": Factors(3 / 0.954, 3.865)},
}

# Moving range to sigma, for stating a signal's strength: Wheeler's d2 = 1.128 and d4 = 0.954 as printed.
SIGMA_DIVISOR = {"mean": 1.128, "median": 0.954}


@dataclass(frozen=True)
class Method:
    """How limits are computed: the constants, the centre (mean or median), the spread (mean or median moving
    range) and the number of screening passes over the moving ranges. Raises ValueError for an unknown name.
    """

    constants: str = "wheeler"
    center: str = "mean"
    spread: str = "mean"
    screen: int = 0

    def __post_init__(self) -> None:
        if self.constants not in CONSTANTS:
            raise ValueError(f"constants must be one of {', '.join(CONSTANTS)}, not {self.constants!r}")
        for name in ("center", "spread"):
            if getattr(self, name) not in ("mean", "median"):
                raise ValueError(f"{name} must be mean or median, not {getattr(self, name)!r}")
        if self.screen != int(self.screen) or self.screen < 0:
            raise ValueError(f"screen is a number of passes, not {self.screen}")

    @property
    def factors(self) -> Factors:
        """The scaling factors of this method."""
        return CONSTANTS[self.constants][self.spread]


class Basis(NamedTuple):
    """The judged points `first` to `last` (half-open places in a segment) that make its limits, and the
    standing of what they make.
    """

    first: int
    last: int
    status: Status

    @property
    def points(self) -> int:
        """How many points these are."""
        return self.last - self.first


class Lines(NamedTuple):
    """Limits that differ from window to window, each of shape [n] like the series: a centre that moves (trend,
    season), a width that follows the denominator (rates).
    """

    center: FloatArray
    upper: FloatArray
    lower: FloatArray


@dataclass(frozen=True)
class Limits:
    """The limits that judge a segment. All figures are in the unit of the series and are never rounded.

    `mr_bar` is the mean moving range (the median one where spread is "median"); `n` the baseline points used
    and `base` their half-open index range; `ranges` the moving ranges used and `screened` those dropped;
    `limits_id` a hash of the figures and their basis, the same for the same basis on every run.

    Where the limits differ from window to window `lines` holds them for the series at hand. The figures are
    those of the basis, so that later windows never move them: of a window of `denominator` size (rates), of
    the last window of the basis (trend), of a window without season. `kind` names the chart they belong to;
    for g and t charts `mr_bar` and `url` are on the scale of the judgement (kinds.py).
    Raises ValueError for figures that cannot be limits (not finite, crossed, a negative range).
    """

    center: float
    mr_bar: float
    unpl: float
    lnpl: float
    url: float
    n: int
    status: Status
    limits_id: str
    base: tuple[int, int]
    spread: str = "mean"
    ranges: int = 0
    screened: int = 0
    kind: str = "xmr"
    denominator: float | None = None
    adjustment: Adjustment | None = None
    lines: Lines | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        figures = (self.center, self.mr_bar, self.unpl, self.lnpl, self.url)
        if not all(map(math.isfinite, figures)):
            raise ValueError("the limits are not finite: the values are too large to compute with")
        if not self.lnpl <= self.center <= self.unpl or self.mr_bar < 0:
            raise ValueError(
                f"not limits: lower {self.lnpl}, centre {self.center}, upper {self.unpl}, mR {self.mr_bar}"
            )

    @property
    def sigma(self) -> float:
        """One sigma of routine variation, in the unit of the series: `mr_bar` over 1.128 (median: 0.954)."""
        return self.mr_bar / SIGMA_DIVISOR[self.spread]

    def at(self, positions: IntArray) -> tuple[FloatArray | float, FloatArray | float, FloatArray | float]:
        """Centre, upper and lower limit at the positions (shape [m]) of the series: arrays of that shape, or plain
        figures where all windows share them.
        """
        if self.lines is None:
            return self.center, self.unpl, self.lnpl
        return self.lines.center[positions], self.lines.upper[positions], self.lines.lower[positions]

    @classmethod
    def given(
        cls,
        *,
        lnpl: float,
        unpl: float,
        center: float | None = None,
        mr_bar: float | None = None,
        url: float | None = None,
        n: int = 0,
        base: tuple[int, int] = (0, 0),
        kind: str = "xmr",
        denominator: float | None = None,
        adjustment: Adjustment | None = None,
    ) -> Limits:
        """Locked limits from figures somebody states. What is left out follows from the distance of the
        limits by Wheeler's constants: centre half-way, mR-bar = half the distance / 2.660, URL = 3.268
        mR-bar. Limits of a rate need the `denominator` of the window they were stated for, those of g and t charts
        their centre and mR-bar: these do not follow from the distance of the limits. `base` names windows of the series
        they will judge; leave it out for limits from elsewhere.
        """
        if kind in ("g", "t") and (center is None or mr_bar is None):
            raise ValueError(f"limits of chart {kind!r} need their centre and mR-bar")
        factors = CONSTANTS["wheeler"]["mean"]
        middle = lnpl + (unpl - lnpl) / 2 if center is None else center
        mr = (unpl - lnpl) / 2 / factors.npl if mr_bar is None else mr_bar
        top = factors.url * mr if url is None else url
        figures = (middle, mr, unpl, lnpl, top)
        shape = () if kind == "xmr" and adjustment is None else (kind, denominator, adjustment)
        name = hash_of(*figures, n, base, "given", *shape)
        return cls(*figures, n, "locked", name, base, kind=kind, denominator=denominator, adjustment=adjustment)


@dataclass(frozen=True)
class Baseline:
    """Which judged points of a segment make its limits, and when these stop moving.

    Fewer than `minimum` points: no limits. Fewer than `trial_below`: trial limits. From `count` points on:
    locked on the first `count`, and later points never move them. `start`/`stop` (half-open indices of the
    series) name the points instead of `count`; `limits` gives the limits themselves. Raises ValueError for a
    policy without sense.
    """

    count: int = 24
    minimum: int = 6
    trial_below: int = 12
    start: int | None = None
    stop: int | None = None
    limits: Limits | None = None

    def __post_init__(self) -> None:
        for name in ("count", "minimum", "trial_below", "start", "stop"):
            value = getattr(self, name)
            if value is not None and value != int(value):
                raise ValueError(f"{name} is a whole number of windows, not {value}")
        if self.minimum < 2:
            raise ValueError(f"minimum must be at least 2 points (one moving range), not {self.minimum}")
        if self.count < self.minimum:
            raise ValueError(f"count {self.count} is below the minimum of {self.minimum} points")
        if (self.start is None) != (self.stop is None):
            raise ValueError("start and stop name a range together: give both or neither")
        if self.start is not None and self.stop is not None and not 0 <= self.start < self.stop:
            raise ValueError(f"a baseline range needs 0 <= start < stop, not {self.start}..{self.stop}")


DEFAULT = Baseline()  # its minimum and trial_below hold where no policy is given


def compute_limits(
    x: FloatArray,
    ranges: FloatArray,
    method: Method,
    *,
    status: Status = "computed",
    base: tuple[int, int] = (0, 0),
) -> Limits:
    """The limits of the points `x` (shape [n], finite) and their moving ranges `ranges` (shape [m], finite).

    The two are separate because a gap removes a range without removing a point. Raises ValueError where
    either is empty, or where the figures overflow.
    """
    if not x.size or not ranges.size:
        raise ValueError("limits need at least one point and one moving range")
    factors = method.factors
    kept, mr = screened(ranges, method)
    middle = mean_of(x) if method.center == "mean" else median_of(x)
    figures = (middle, mr, middle + factors.npl * mr, middle - factors.npl * mr, factors.url * mr)
    basis = (method.constants, method.center, method.spread, method.screen)
    return Limits(
        *figures,
        int(x.size),
        status,
        hash_of(*figures, x.size, base, *basis),
        base,
        method.spread,
        int(kept.size),
        int(ranges.size - kept.size),
    )


def limits_for(
    positions: IntArray | range,
    x: FloatArray,
    ranges: FloatArray,
    policy: Baseline | None,
    method: Method,
    *,
    length: int,
) -> tuple[Limits | None, int]:
    """The limits of one segment as of now, and how many points their basis holds so far.

    `positions`, `x`, `ranges` (shape [m]) are the judged points of the segment; `ranges[k]` belongs to the
    step into point k and is NaN where there is none. `length` is the length of the series: a baseline range
    is complete, and its limits locked, once the series has reached its end. No policy: all points, never
    locked.
    """
    if policy is not None and policy.limits is not None:
        return replace(policy.limits, status="locked"), policy.limits.n
    basis = basis_for(positions, policy, length=length)
    inside = ranges[basis.first + 1 : basis.last]  # the step into the first point comes from outside the basis
    if math.isnan(np.add.reduce(inside)):
        inside = inside[~np.isnan(inside)]
    if basis.points < (policy or DEFAULT).minimum or not inside.size:
        return None, basis.points
    base = (int(positions[basis.first]), int(positions[basis.last - 1]) + 1)
    return compute_limits(x[basis.first : basis.last], inside, method, status=basis.status, base=base), basis.points


def basis_for(positions: IntArray | range, policy: Baseline | None, *, length: int) -> Basis:
    """Which of the judged points at `positions` (shape [m]) make the limits now, by a policy without limits of
    its own; `length` as in `limits_for`.
    """
    rule = policy or DEFAULT
    first, last = 0, len(positions)
    locked = False
    if rule.start is not None and rule.stop is not None:
        first, last = (bisect_left(positions, edge) for edge in (rule.start, rule.stop))
        locked = length >= rule.stop
    elif policy is not None and last >= rule.count:
        last, locked = rule.count, True
    return Basis(first, last, "locked" if locked else "trial" if last - first < rule.trial_below else "computed")


def mean_of(x: FloatArray) -> float:
    """The mean, rounded once: a constant series must give its constant back, and the hash must not depend on
    the order in which a machine's vector unit adds."""
    if x.size <= 4096:
        if x[0] == x[-1] and (x == x[0]).all():
            return float(x[0])
        try:
            return math.fsum(x.tolist()) / x.size
        except OverflowError:
            return math.inf  # Limits refuses it with words
    with np.errstate(over="ignore"):
        middle = float(np.add.reduce(x)) / x.size
    # A second pass takes back the first one's round-off; block by block, which needs no second array.
    rest = math.fsum(float(np.add.reduce(x[k : k + 16384] - middle)) for k in range(0, x.size, 16384))
    return middle + rest / x.size


def median_of(x: FloatArray) -> float:
    """The median; inf where two middle values overflow."""
    with np.errstate(over="ignore"):
        return float(np.median(x))


def screened(ranges: FloatArray, method: Method) -> tuple[FloatArray, float]:
    """Drop moving ranges at or above the mR limit, `method.screen` times (Nelson 1982; off by default: it
    hides jumps).

    A pass that would leave nothing but ties, hence a spread of zero and every point outside, is not made.
    """
    average = mean_of if method.spread == "mean" else median_of
    kept, mr = ranges, average(ranges)
    for _ in range(method.screen):
        rest = kept[kept < method.factors.url * mr]
        if rest.size == kept.size or not rest.size or not (smaller := average(rest)) > 0:
            break
        kept, mr = rest, smaller
    return kept, mr


def hash_of(*parts: object) -> str:
    """Twelve hex digits of the figures (as their shortest exact decimal) and the basis."""
    text = "|".join(map(str, parts))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
