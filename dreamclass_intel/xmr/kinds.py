"""The kinds of chart beyond plain XmR: rates with their denominators, counts, rare events.

One declaration a kind, and `fit`, which turns a segment into its limits and into what the rules judge. All
rates share one arithmetic: a window of size n has limits sqrt(N / n) times as far from the centre as one of
size N, the mean denominator of the basis. They differ in where the width comes from:

- i_prime: moving ranges, each set against the sizes of its two windows (Taylor 2017, "Normalized Individuals
  control chart", variation.com; qicharts2 `ip`). With equal sizes it is the XmR chart, to the last digit.
- p_prime, u_prime: moving ranges of the standardised values (Laney 2002, Quality Engineering 14(4)). Binomial
  and Poisson sigma cancel out, so both give the same limits.
- p, u: binomial and Poisson theory, 3 sigma (Shewhart).
- g: counts between events, geometric theory: limit = mean + 3 sqrt(mean (mean + 1)), no lower limit, the median
  as centre (Benneyan 2001, Health Care Management Science 4).
- t: times between events, an XmR chart of time^(1/3.6), limits transformed back (Nelson 1994, Journal of Quality
  Technology 26(3)).

g and t are judged on the scale x^(1/3.6), where waiting times are close to normal: on their own scale half-way
lines and moving ranges would mean nothing. Their `mr_bar`, `url` and moving ranges are on that scale. A g chart
is judged by points outside and runs only: between a lower limit that cannot be broken and an upper one that
1.8 % of quiet points break, half-way lines have no meaning.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from dreamclass_intel.xmr import quiet
from dreamclass_intel.xmr.adjust import Adjustment, Season, half_average_line, seasonal_factors, widening
from dreamclass_intel.xmr.limits import (
    SIGMA_DIVISOR,
    Baseline,
    Basis,
    FloatArray,
    Limits,
    Lines,
    Method,
    basis_for,
    hash_of,
    mean_of,
    screened,
)
from dreamclass_intel.xmr.patterns import Rule
from dreamclass_intel.xmr.stretch import Stretch

NELSON = 1 / 3.6


@dataclass(frozen=True)
class Kind:
    """A kind of chart: its title, whether windows have denominators, the natural bounds of its values, the power of the
    scale it is judged on, whether ranges are of standardised values, whether values are counts between events, and
    sigma by theory from the centre, of a window of size 1 (None: from the moving ranges). `adjustable` ones may
    follow a trend or a season.
    """

    title: str
    weighted: bool = False
    low: float | None = None
    high: float | None = None
    power: float = 1.0
    standardised: bool = False
    between: bool = False
    theory: Callable[[float], float] | None = None
    adjustable: bool = False


def _binomial(p: float) -> float:
    return math.sqrt(max(p * (1 - p), 0.0))


KINDS: dict[str, Kind] = {
    "xmr": Kind("XmR chart", adjustable=True),
    "i_prime": Kind("I′ chart", weighted=True, adjustable=True),
    "p": Kind("p chart", weighted=True, low=0.0, high=1.0, standardised=True, theory=_binomial),
    "p_prime": Kind("p′ chart", weighted=True, low=0.0, high=1.0, standardised=True),
    "u": Kind("u chart", weighted=True, low=0.0, standardised=True, theory=math.sqrt),
    "u_prime": Kind("u′ chart", weighted=True, low=0.0, standardised=True),
    "g": Kind("g chart", low=0.0, power=NELSON, between=True),
    "t": Kind("t chart", low=0.0, power=NELSON),
}


class Fit(NamedTuple):
    """One segment as charted: its limits (None while the basis of `points` is too thin), the moving ranges
    (shape [m]), and the values (shape [m]) and limits that the rules judge.
    """

    limits: Limits | None
    points: int
    ranges: FloatArray
    x: FloatArray
    judge_by: Limits | None


@dataclass(frozen=True)
class Plan:
    """What `fit` does to every segment of a chart. `sizes` has the shape [n] of the series. Raises ValueError
    for an unknown kind and for arguments that do not go with it.
    """

    chart: str
    method: Method
    trend: bool
    season: Season | None
    sizes: FloatArray | None
    preset: str = "wheeler"

    def __post_init__(self) -> None:
        if self.chart not in KINDS:
            raise ValueError(f"chart must be one of {', '.join(KINDS)}, not {self.chart!r}")
        if self.kind.weighted != (self.sizes is not None):
            needs = "needs" if self.kind.weighted else "takes no"
            raise ValueError(f"chart {self.chart!r} {needs} denominators")
        if (self.trend or self.season) and not self.kind.adjustable:
            raise ValueError(f"trend and season go with charts xmr and i_prime, not with {self.chart!r}")
        if (self.kind.theory or self.kind.between) and (self.method.spread != "mean" or self.method.screen):
            raise ValueError(f"chart {self.chart!r} has its width from theory: neither spread nor screen apply")
        if (self.kind.standardised or self.kind.between) and self.method.center != "mean":
            raise ValueError(f"chart {self.chart!r} has its centre by definition: center does not apply")

    @property
    def kind(self) -> Kind:
        """The declaration of the chart's kind."""
        return KINDS[self.chart]

    def is_plain(self, policy: Baseline | None) -> bool:
        """Whether a segment under this policy is a plain XmR chart. Raises ValueError where the policy's limits
        are of another kind than the chart.
        """
        given = policy.limits if policy else None
        if given is not None and given.kind != self.chart:
            raise ValueError(f"the limits given are of chart {given.kind!r}, not of {self.chart!r}")
        if given is not None:
            return self.chart == "xmr" and given.adjustment is None
        return self.chart == "xmr" and not self.trend and self.season is None

    def kept(self, rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
        """Those of the rules that mean something on this kind of chart."""
        if not self.kind.between:
            return rules
        return tuple(rule for rule in rules if rule.name.startswith(("outside_limits", "run_of_", "anhoej")))

    def check_values(self, x: FloatArray) -> None:
        """Raise ValueError, naming the index, for a value (shape [n]) that the kind cannot have or that has no
        denominator.
        """
        kind = self.kind
        for bad, what in (
            (x < kind.low if kind.low is not None else None, f"below {kind.low}"),
            (x > kind.high if kind.high is not None else None, f"above {kind.high} (a share, not a percentage)"),
        ):
            if bad is not None and bad.any():
                i = int(np.argmax(bad))
                raise ValueError(f"values[{i}] is {x[i]:g}: chart {self.chart!r} has no values {what}")
        if self.sizes is not None:
            if self.sizes.size != x.size:
                raise ValueError(f"{self.sizes.size} denominators for {x.size} values")
            bad = ~np.isnan(x) & ~(self.sizes > 0)
            if bad.any():
                i = int(np.argmax(bad))
                raise ValueError(f"denominators[{i}] is {self.sizes[i]:g}, but values[{i}] rests on it")


def fit(stretch: Stretch, plan: Plan, policy: Baseline | None, *, length: int) -> Fit:
    """Limits, ranges and judgement of one segment, by the plan; `length` is the length of the series.

    Baselines, locking and standing are those of plain limits (`limits_for`). Limits a policy gives keep their
    figures; their lines follow the denominators and the adjustment they were made with.
    """
    given = policy.limits if policy else None
    if given is not None:
        limits: Limits | None = replace(given, status="locked", lines=None)
        points = given.n
    else:
        basis = basis_for(stretch.positions, policy, length=length)
        points = basis.points
        limits = _limits(stretch, plan, basis) if points >= (policy or Baseline()).minimum else None
    scaled = _scaled(stretch, plan, limits)
    if limits is None:
        return Fit(None, points, scaled.ranges, stretch.x, None)
    ranges = _ranges(scaled, plan, limits.center, limits.denominator)
    limits = replace(limits, lines=_lines(limits, plan, length))
    if plan.kind.power == 1.0:
        return Fit(limits, points, ranges, stretch.x, limits)
    power = plan.kind.power
    center, unpl, lnpl = (_raised(v, power) for v in (limits.center, limits.unpl, limits.lnpl))
    return Fit(limits, points, ranges, scaled.x, replace(limits, center=center, unpl=unpl, lnpl=lnpl))


class _Width(NamedTuple):
    """How wide limits are: mR-bar, half their distance, and the moving ranges used and dropped."""

    mr_bar: float
    half: float
    kept: int = 0
    dropped: int = 0


def _limits(stretch: Stretch, plan: Plan, basis: Basis) -> Limits | None:
    """The limits of a basis, without lines; None where they need a moving range and there is none."""
    kind, method, season, part = plan.kind, plan.method, plan.season, slice(basis.first, basis.last)
    positions = stretch.positions[part]
    base = (int(positions[0]), int(positions[-1]) + 1)
    found = seasonal_factors(positions, stretch.x[part], season, trended=plan.trend) if season else None
    adjustment = Adjustment()
    if season and found:
        adjustment = Adjustment(factors=found[0], how=season.how, seasons=found[1])
    flat = replace(stretch, x=adjustment.without_season(stretch.x, stretch.positions) ** kind.power)
    sizes = None if plan.sizes is None else plan.sizes[stretch.positions][part]
    unit = None if sizes is None else mean_of(sizes)

    def middle(points: slice) -> float:
        values = flat.x[part][points]
        if method.center == "median":
            return float(np.median(values))
        return mean_of(values) if sizes is None or unit is None else _weighted_mean(values, sizes[points] / unit)

    if plan.trend:
        origin = base[1] - 1
        slope, center = half_average_line(positions, middle, origin=origin)
        adjustment = replace(adjustment, trended=True, slope=slope, origin=origin)
    else:
        center = middle(slice(None))
    if kind.between:
        center, mr_bar, upper, lower = _between(stretch.x[part], kind.power)
        width = _Width(mr_bar, 0.0)
    else:
        measured = _width(flat, plan, basis, center, unit, bool(adjustment.factors))
        if measured is None:
            return None
        width, upper, lower = measured, center + measured.half, center - measured.half
        if kind.power != 1.0:
            center, upper, lower = (_raised(v, 1 / kind.power) for v in (center, upper, lower))
    # Limits that wait for a second season get its factors with it, however many points they have by now.
    waits = season is not None and not adjustment.factors and basis.status != "locked"
    shape = adjustment if adjustment != Adjustment() else None
    figures = (center, width.mr_bar, upper, lower, method.factors.url * width.mr_bar)
    how = (method.constants, method.center, method.spread, method.screen, plan.chart, unit, shape)
    return Limits(
        *figures,
        n=basis.points,
        status="trial" if waits else basis.status,
        limits_id=hash_of(*figures, basis.points, base, *how),
        base=base,
        spread=method.spread,
        ranges=width.kept,
        screened=width.dropped,
        kind=plan.chart,
        denominator=unit,
        adjustment=shape,
    )


def _width(flat: Stretch, plan: Plan, basis: Basis, center: float, unit: float | None, seasonal: bool) -> _Width | None:
    """From theory or from the moving ranges of the basis; None where there are none."""
    if plan.kind.theory is not None:
        sigma = plan.kind.theory(center) / math.sqrt(unit or 1.0)
        return _Width(sigma * SIGMA_DIVISOR["mean"], 3 * sigma)
    steps = _ranges(flat, plan, center, unit)[basis.first + 1 : basis.last]
    steps = steps[~np.isnan(steps)]
    if not steps.size:
        return None
    used, mr_bar = screened(steps, plan.method)
    fitted = 1
    if plan.season and seasonal:
        mr_bar *= widening(plan.season, basis.points)
        fitted = plan.season.length
    half = plan.method.factors.npl * mr_bar * quiet.factor(basis.points, plan.preset, fitted)
    return _Width(mr_bar, half, int(used.size), int(steps.size - used.size))


def _between(x: FloatArray, power: float) -> tuple[float, float, float, float]:
    """Centre, mR-bar (on the scale of the judgement), upper and lower limit of counts between events (shape [m])."""
    mean, median = mean_of(x), float(np.median(x))
    upper = mean + 3 * math.sqrt(mean * (mean + 1))
    return median, (upper**power - median**power) / 3 * SIGMA_DIVISOR["mean"], upper, 0.0


def _scaled(stretch: Stretch, plan: Plan, limits: Limits | None) -> Stretch:
    """The stretch without season, on the scale of the judgement."""
    x = stretch.x
    if limits is not None and limits.adjustment is not None:
        x = limits.adjustment.without_season(x, stretch.positions)
    return stretch if x is stretch.x and plan.kind.power == 1.0 else replace(stretch, x=x**plan.kind.power)


def _ranges(stretch: Stretch, plan: Plan, center: float, unit: float | None) -> FloatArray:
    """Moving ranges (shape [m]) as they would be between two windows of size `unit`."""
    if plan.sizes is None or unit is None:
        return stretch.ranges
    width = np.sqrt(unit / plan.sizes[stretch.positions])
    if plan.kind.standardised:
        return replace(stretch, x=(stretch.x - center) / width).ranges
    ranges = stretch.ranges.copy()
    ranges[1:] /= np.sqrt((width[1:] ** 2 + width[:-1] ** 2) / 2)
    return ranges


def _lines(limits: Limits, plan: Plan, length: int) -> Lines | None:
    """The limits of every window of the series; None where all share them."""
    if plan.sizes is None and limits.adjustment is None:
        return None
    width = np.ones(length)
    if plan.sizes is not None:
        if limits.denominator is None:
            raise ValueError(f"the limits given for chart {plan.chart!r} do not say for which denominator")
        known = plan.sizes > 0  # a missing window is drawn like one of the usual size
        width[known] = np.sqrt(limits.denominator / plan.sizes[known])
    shape = limits.adjustment or Adjustment()
    center: FloatArray = limits.center + shape.slope * (np.arange(length, dtype=np.float64) - shape.origin)
    upper: FloatArray = center + (limits.unpl - limits.center) * width
    lower: FloatArray = center - (limits.center - limits.lnpl) * width
    lines = Lines(shape.with_season(center), shape.with_season(upper), shape.with_season(lower))
    for line in lines:
        line.setflags(write=False)
    return lines


def _raised(value: float, power: float) -> float:
    """A value, not below 0, to a power; inf where that overflows, which Limits refuses with words."""
    try:
        return max(value, 0.0) ** power
    except OverflowError:
        return math.inf


def _weighted_mean(x: FloatArray, weights: FloatArray) -> float:
    """The mean of `x` by weight (both of shape [m]); a constant gives itself back."""
    if x.min() == x.max():
        return float(x[0])
    return math.fsum((x * weights).tolist()) / math.fsum(weights.tolist())
