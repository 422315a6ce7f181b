"""Where things stand on an XmR chart: the size of the panels, their scales, the places of windows, lines and labels.

Not here: what is drawn there (svg.py).
"""

from __future__ import annotations

import math

import numpy as np

from dreamclass_intel.xmr import words
from dreamclass_intel.xmr.chart import Chart, Segment
from dreamclass_intel.xmr.kinds import KINDS
from dreamclass_intel.xmr.limits import FloatArray, Limits
from dreamclass_intel.xmr.svg_parts import Scale, coordinate, places

TOP = 58.0  # where the panels begin; rows of divider reasons push them down
ROW = 14.0
CHARACTER = 6.1  # the mean width of a character: labels are given room by it
_X_HEIGHT, _GAP, _MR_HEIGHT = 240.0, 30.0, 96.0


class Layout:
    """The scales of both charts and the places of all windows, in pixels."""

    def __init__(self, chart: Chart, width: float) -> None:
        self.chart, self.width = chart, width
        self.n = n = chart.values.size
        self.limits = chart.limits
        self.drawn = [(segment, segment.limits) for segment in chart.segments if segment.limits is not None]
        shown = chart.values[np.isfinite(chart.values)]
        steps = chart.moving_ranges[np.isfinite(chart.moving_ranges)]
        self.top = TOP + ROW * min(len(chart.segments) - 1, 3)
        self.x_bottom = self.top + _X_HEIGHT
        self.mr_top = self.x_bottom + _GAP
        self.mr_bottom = self.mr_top + _MR_HEIGHT
        every = [shown, *(self.clip(line) for segment, f in self.drawn for line in self.lines(segment, f)[1:])]
        low, high = _span(every)
        self.y = Scale.around(low, high, self.x_bottom, self.top)
        highest = max([0.0, *(f.url for _, f in self.drawn), *([float(steps.max())] if steps.size else [])])
        self.y_mr = Scale.around(0.0, highest, self.mr_bottom, self.mr_top, floor=0.0)
        # The margins hold labels, so they are as wide as the longest.
        self.ticks = [(scale, *scale.ticks(wanted)) for scale, wanted in ((self.y, 5), (self.y_mr, 3))]
        named = [words.figure(tick, step * 10) for _, ticks, step in self.ticks for tick in ticks]
        self.left = max(40.0, math.ceil(14 + CHARACTER * max(map(len, named), default=0)))
        longest = max((len(label) for _, label in self.limit_labels()), default=0)
        self.right = max(width - max(24.0, 12 + 6.4 * longest), self.left + 100)
        self.pitch = (self.right - self.left) / max(n, 1)
        if (
            whole := math.floor(self.pitch)
        ) > 0.95 * self.pitch:  # whole pixels where they cost little: crisp and short
            self.pitch = float(whole)
            self.right = self.left + n * self.pitch
        self.radius = min(3.2, max(1.1, round(0.3 * self.pitch, 1)))
        x = (np.arange(n, dtype=np.float64) + 0.5) * self.pitch + self.left
        self.y_of = self.y(chart.values)
        self.at, self.step_to = places(x, self.y_of)
        self.at_mr, self.step_to_mr = places(x, self.y_mr(chart.moving_ranges))

    def edge(self, index: float) -> float:
        """The left edge of a window."""
        return self.left + index * self.pitch

    def clip(self, line: FloatArray) -> FloatArray:
        """A line within the natural bounds: only what is drawn is clipped, never what is judged or labelled."""
        low, high = self.chart.bounds
        line = line if low is None else np.maximum(line, low)
        return line if high is None else np.minimum(line, high)

    def clipped(self, figure: float) -> float:
        """One figure within the natural bounds."""
        return float(self.clip(np.array([figure]))[0])

    def lines(self, segment: Segment, f: Limits) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Centre, upper and lower line of a segment: one figure each, or one a window."""
        if f.lines is None:
            return np.array([f.center]), np.array([f.unpl]), np.array([f.lnpl])
        centre, upper, lower = f.at(np.arange(segment.start, segment.stop))
        return np.asarray(centre), np.asarray(upper), np.asarray(lower)

    def track(self, segment: Segment, y: FloatArray, moves: bool) -> str:
        """A line over a segment, from its height `y` (of shape [1] where it is level, else one a window, NaN where it
        stops): through the middles of the windows if it `moves`, else in steps as wide as they are.
        """
        start, stop = coordinate(self.edge(segment.start)), coordinate(self.edge(segment.stop))
        if y.size == 1 and segment.stop - segment.start != 1:
            return f"M{start} {coordinate(float(y[0]))}H{stop}"
        parts, pen = [], ""
        for i, level in enumerate(y.tolist(), segment.start):
            if not math.isfinite(level):
                pen = ""
                continue
            here = coordinate(level)
            if moves:
                parts.append(f"{'L' if pen else 'M'}{coordinate(self.edge(i + 0.5))} {here}")
            elif not pen:
                parts.append(f"M{coordinate(self.edge(i))} {here}H{coordinate(self.edge(i + 1))}")
            else:
                parts.append(f"{'' if pen == here else f'V{here}'}H{coordinate(self.edge(i + 1))}")
            pen = here
        return "".join(parts)

    @property
    def ranges_have_limits(self) -> bool:
        """Whether the chart's moving ranges say anything: those of a g chart do not."""
        return not KINDS[self.chart.kind].between

    def limit_labels(self) -> list[tuple[float, str]]:
        """(y, label) of the newest limits, in both charts, pushed apart where they would overlap."""
        f = self.limits
        if f is None:
            return []
        labels: list[tuple[float, str]] = []
        middle = "X̄" if f.spread == "mean" and self.ranges_have_limits else "centre"
        step = words.unit(f)
        centre, upper, lower = words.latest_limits(self.chart, f)
        for value, name in ((upper, "UNPL"), (centre, middle), (lower, "LNPL")):
            drawn = self.clipped(value)
            y = self.y(drawn) + 4
            label = f"{name} {words.figure(value, step)}{'' if drawn == value else ' (clipped)'}"
            labels.append((max(y, labels[-1][0] + 12) if labels else y, label))
        if not self.ranges_have_limits:
            return labels
        bar = min(self.y_mr(f.mr_bar), self.mr_bottom - 4) + 4
        labels.append((min(self.y_mr(f.url) + 4, bar - 12), f"URL {words.figure(f.url, f.mr_bar)}"))
        labels.append((bar, f"mR {words.figure(f.mr_bar, f.mr_bar)}"))
        return labels


def _span(arrays: list[FloatArray]) -> tuple[float, float]:
    every = np.concatenate(arrays)
    every = every[np.isfinite(every)]
    return (float(every.min()), float(every.max())) if every.size else (0.0, 0.0)
