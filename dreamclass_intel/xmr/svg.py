"""The XmR chart as one self-contained SVG: the X chart over the mR chart.

Deterministic (the same chart gives the same bytes), without scripts or outside references, readable on light
and dark ground, with a title and description for screen readers and every figure in a tooltip. Not here: the
pieces it is made of (svg_parts.py) and any judgement: what is marked is what the chart says.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from itertools import pairwise

from dreamclass_intel.xmr import words
from dreamclass_intel.xmr.chart import Chart, Segment
from dreamclass_intel.xmr.limits import Limits
from dreamclass_intel.xmr.rules import Signal, above
from dreamclass_intel.xmr.svg_parts import (
    STYLE,
    Scale,
    coordinate,
    escape,
    exact,
    figure,
    line,
    mark,
    rect,
    shorten,
    text,
)

# rule -> (letter and colour class, shape, legend); in the order of precedence
_LOOKS = {
    "outside_limits": ("L", "diamond", "outside a limit"),
    "run_of_9": ("R", "square", "9 or more in a row on one side"),
    "trend_of_6": ("T", "square", "6 or more rising or falling"),
    "alternating_14": ("A", "square", "14 or more up and down in turn"),
    "trend_of_7": ("T", "square", "7 or more rising or falling"),
    "2_of_3_near_limit": ("N", "triangle", "2 of 3 near a limit"),
    "2_of_3": ("N", "triangle", "2 of 3 beyond 2 sigma"),
    "4_of_5": ("F", "triangle", "4 of 5 beyond 1 sigma"),
    "15_within_1_sigma": ("W", "square", "15 or more within 1 sigma"),
    "8_beyond_1_sigma": ("B", "triangle", "8 or more beyond 1 sigma, both sides"),
    "run_of_7": ("R", "square", "7 or more in a row on one side"),
    "run_of_8": ("R", "square", "8 or more in a row on one side"),
    "3_of_4": ("H", "triangle", "3 of 4 beyond half-way to a limit"),
    "anhoej": ("S", "square", "the series as a whole: runs longer or fewer than chance"),
    "cusum": ("C", "pentagon", "level moved, by the CUSUM"),
}
_LETTERS = list(dict.fromkeys(letter for letter, _, _ in _LOOKS.values()))
_LEFT, _TOP, _X_HEIGHT, _GAP, _MR_HEIGHT = 70.0, 58.0, 240.0, 34.0, 96.0


def render_svg(chart: Chart, *, title: str = "", width: int = 860) -> str:
    """The chart as SVG text (encode as UTF-8). `width` in pixels; the height is fixed. Any text may be
    hostile: it is escaped. One element a window, so a series of many thousands makes a large file.
    """
    return _Drawing(chart, title, float(width)).render()


class _Drawing:
    """One drawing in progress: the scales, the marks of each index, and the parts in drawing order."""

    def __init__(self, chart: Chart, title: str, width: float) -> None:
        self.chart = chart
        self.title = title or "XmR chart"
        self.limits = chart.limits
        self.n = chart.values.size
        self.values: list[float] = chart.values.tolist()
        self.ranges: list[float] = chart.moving_ranges.tolist()
        shown = [v for v in self.values if math.isfinite(v)]
        steps = [r for r in self.ranges if math.isfinite(r)]
        all_limits = [s.limits for s in chart.segments if s.limits is not None]
        lines = [self._clip(v) for limits in all_limits for v in (limits.unpl, limits.lnpl)]
        self.step = self.limits.mr_bar if self.limits else (max(shown) / 2 - min(shown) / 2 if shown else 0.0)
        self.x_bottom = _TOP + _X_HEIGHT
        self.mr_top = self.x_bottom + _GAP
        self.mr_bottom = self.mr_top + _MR_HEIGHT
        self.y = Scale.around(shown + lines or [0.0], self.x_bottom, _TOP)
        tops = steps + [limits.url for limits in all_limits]
        self.y_mr = Scale.around([0.0, *tops], self.mr_bottom, self.mr_top, floor=0.0)
        # The right margin holds the limits' labels, so it is as wide as the longest.
        longest = max((len(label) for _, label in self._limit_labels()), default=0)
        self.width = width
        self.right = width - max(40.0, 14 + 6.4 * longest)
        self.pitch = (self.right - _LEFT) / max(self.n, 1)
        self.radius = min(3.4, max(1.2, 0.35 * self.pitch))
        self.marks: dict[int, list[Signal]] = {}
        for signal in chart.signals:
            for index in signal.members:
                self.marks.setdefault(index, []).append(signal)

    def render(self) -> str:
        height = self.mr_bottom + 62
        body = "\n".join(
            [
                text("head", _LEFT, 22, shorten(self.title, 90)),
                text("muted", _LEFT, 40, shorten(self.chart.verdict, 130)),
                *self._bases(),
                *self._grid(),
                *self._limit_lines(),
                *self._paths(),
                *self._points(),
                *self._range_points(),
                *self._time_axis(),
                *self._legend(height - 12),
            ]
        )
        description = " ".join(self._description())
        # Several charts may share a page: their ids come from what they show.
        key = (
            "xmr-" + hashlib.sha256(f"{self.title}\n{description}\n{body}".encode("utf-8", "replace")).hexdigest()[:10]
        )
        w, h = coordinate(self.width), coordinate(height)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="xmr" viewBox="0 0 {w} {h}" '
            f'width="{w}" height="{h}" role="img" aria-labelledby="{key}-t {key}-d">\n'
            f'<title id="{key}-t">{escape(self.title)}</title>\n'
            f'<desc id="{key}-d">{escape(description)}</desc>\n'
            f"<style>{STYLE}</style>\n"
            f"{rect('ground', 0, 0, self.width, height)}\n{body}\n</svg>\n"
        )

    def _x(self, index: float) -> float:
        return _LEFT + (index + 0.5) * self.pitch

    def _clip(self, value: float) -> float:
        low, high = self.chart.bounds
        value = value if low is None else max(value, low)
        return value if high is None else min(value, high)

    def _description(self) -> Iterator[str]:
        yield f"XmR chart of {self.n} windows. {self.chart.verdict}."
        if self.limits is not None:
            f = self.limits
            yield (
                f"{words.status(f).capitalize()}: centre {exact(f.center)}, limits {exact(f.lnpl)} to "
                f"{exact(f.unpl)}, mean moving range {exact(f.mr_bar)}, its limit {exact(f.url)}."
            )
        for signal in self.chart.signals:
            yield f"Signal: {words.phrase(self.chart, signal)}."
        for note in self.chart.notes:
            yield f"Note: {note}."

    def _with_limits(self) -> Iterator[tuple[int, Segment, Limits, float, float]]:
        for number, segment in enumerate(self.chart.segments):
            if segment.limits is not None:
                yield (
                    number,
                    segment,
                    segment.limits,
                    self._x(segment.start - 0.5),
                    self._x(segment.stop - 0.5),
                )

    def _bases(self) -> Iterator[str]:
        """The points the limits come from, shaded, with the limits' standing."""
        for number, segment, limits, x1, _ in self._with_limits():
            standing = words.status(limits)
            first, stop = limits.base
            if segment.start <= first < stop <= self.n:  # limits given from outside have no points here
                left, right = self._x(first - 0.5), self._x(stop - 0.5)
                tip = f"{standing}: {self.chart.label(first)} to {self.chart.label(stop - 1)}"
                yield rect("base", left, _TOP, right - left, _X_HEIGHT, tip)
            row = self.x_bottom - 5 - 12 * (number % 2)  # neighbours on two rows: narrow segments do not collide
            yield text("muted", x1 + 4, row, standing)

    def _grid(self) -> Iterator[str]:
        for scale, wanted, name in ((self.y, 5, "X"), (self.y_mr, 3, "mR")):
            ticks, step = scale.ticks(wanted)
            for tick in ticks:
                yield line("grid", _LEFT, scale(tick), self.right, scale(tick))
                yield text("muted", _LEFT - 6, scale(tick) + 4, figure(tick, step * 10), "end")
            yield text("muted", 8, scale.top + 10, name)

    def _limit_labels(self) -> list[tuple[float, str]]:
        """(y, label) of the newest limits, in both charts, pushed apart where they would overlap."""
        f = self.limits
        if f is None:
            return []
        rows = [(f.unpl, "UNPL"), (f.center, "X̄" if f.spread == "mean" else "centre"), (f.lnpl, "LNPL")]
        labels: list[tuple[float, str]] = []
        for value, name in rows:
            beyond = "" if self._clip(value) == value else " (off the scale)"
            y = self.y(self._clip(value)) + 4
            labels.append((max(y, labels[-1][0] + 12) if labels else y, f"{name} {figure(value, self.step)}{beyond}"))
        top = self.y_mr(f.url) + 4
        labels.append((top, f"URL {figure(f.url, self.step)}"))
        labels.append((max(self.y_mr(f.mr_bar) + 4, top + 12), f"mR {figure(f.mr_bar, self.step)}"))
        return labels

    def _limit_lines(self) -> Iterator[str]:
        for _, _, f, x1, x2 in self._with_limits():
            for css, value, name in (
                ("half", f.center + (f.unpl - f.center) / 2, "half-way to the upper limit"),
                ("half", f.center + (f.lnpl - f.center) / 2, "half-way to the lower limit"),
                ("centre", f.center, "centre line"),
                ("limit", f.unpl, "upper natural process limit"),
                ("limit", f.lnpl, "lower natural process limit"),
            ):
                y = self.y(self._clip(value))
                yield line(css, x1, y, x2, y, f"{name}: {exact(value)} ({words.status(f)})")
            for css, value, name in (
                ("centre", f.mr_bar, f"{f.spread} moving range"),
                ("limit", f.url, "mR limit"),
            ):
                yield line(css, x1, self.y_mr(value), x2, self.y_mr(value), f"{name}: {exact(value)}")
        for segment in self.chart.segments[1:]:
            x = self._x(segment.start - 0.5)
            yield line("divider", x, _TOP, x, self.mr_bottom, f"new segment from {self.chart.label(segment.start)}")
        for y, label in self._limit_labels():
            yield text("", self.right + 6, y, label)

    def _paths(self) -> Iterator[str]:
        """The lines between points: broken at gaps and dividers, dotted to an open window."""
        starts = {segment.start for segment in self.chart.segments}
        for series, scale in ((self.values, self.y), (self.ranges, self.y_mr)):
            closed: list[str] = []
            for (i, a), (j, b) in pairwise(enumerate(series)):
                if not (math.isfinite(a) and math.isfinite(b)) or j in starts:
                    continue
                x1, y1, x2, y2 = self._x(i), scale(a), self._x(j), scale(b)
                if self.chart.judged[i] and self.chart.judged[j]:
                    joins = bool(closed) and closed[-1].endswith(f" {coordinate(x1)},{coordinate(y1)}")
                    move = "" if joins else f"M {coordinate(x1)},{coordinate(y1)} "
                    closed.append(f"{move}L {coordinate(x2)},{coordinate(y2)}")
                else:
                    yield line("line open", x1, y1, x2, y2)
            if closed:
                yield f'<path class="line" d="{" ".join(closed)}"/>'

    def _points(self) -> Iterator[str]:
        letters: dict[int, str] = {}
        for signal in self.chart.signals:  # one letter an event: where it became known, on the side it points to
            at = max((m for m in signal.members if m <= signal.known_at), default=signal.members[0])
            letters[at] = letters.get(at, "") + _LOOKS[signal.rule][0]
        for i, value in enumerate(self.values):
            tip = self.chart.label(i)
            if not math.isfinite(value):
                y = self.x_bottom
                yield line("gap", self._x(i), y - 5, self._x(i), y + 5, f"{tip}: missing window")
                continue
            x, y = self._x(i), self.y(value)
            tip = f"{tip}: {exact(value)}"
            if not self.chart.judged[i]:
                yield mark("circle", "hollow", x, y, self.radius, f"{tip} (incomplete, not judged)")
                continue
            signals = self.marks.get(i, [])
            if not signals:
                yield mark("circle", "pt", x, y, self.radius, tip)
                continue
            tip += "".join(f"; {words.phrase(self.chart, signal)}" for signal in signals)
            letter, shape, _ = _LOOKS[min((s.rule for s in signals), key=list(_LOOKS).index)]
            yield mark(shape, letter, x, y, max(self.radius, 2.6), tip)
            if i in letters:
                up = signals[0].side == "above"
                yield text(
                    f"letter {letter}",
                    x,
                    y - 8 if up else y + 15,
                    "".join(sorted(letters[i], key=_LETTERS.index)),
                    "middle",
                )

    def _range_points(self) -> Iterator[str]:
        jumps = set()
        for segment in self.chart.segments:
            if segment.limits is not None:
                part = self.chart.moving_ranges[segment.start : segment.stop]
                over = above(part, segment.limits.url, segment.limits)
                jumps |= {segment.start + int(k) for k in over.nonzero()[0]}
        for i, step in enumerate(self.ranges):
            if math.isfinite(step):
                tip = f"{self.chart.label(i)}: moving range {exact(step)}"
                shape, css, r = ("diamond", "hollow", 3.0) if i in jumps else ("circle", "pt", self.radius * 0.8)
                tip += " (above its limit: a note, not a signal)" if i in jumps else ""
                yield mark(shape, css, self._x(i), self.y_mr(step), r, tip)

    def _time_axis(self) -> Iterator[str]:
        longest = max((len(shorten(self.chart.label(i), 14)) for i in (0, self.n - 1) if 0 <= i < self.n), default=1)
        wanted = min(self.n, 8, max(1, int((self.right - _LEFT) / (7.0 * longest + 14))))
        shown = sorted({round(k * (self.n - 1) / max(wanted - 1, 1)) for k in range(wanted)})
        for i in shown:
            yield text("muted", self._x(i), self.mr_bottom + 16, shorten(self.chart.label(i), 14), "middle")

    def _legend(self, y: float) -> Iterator[str]:
        x = _LEFT
        present = {signal.rule for signal in self.chart.signals}
        for rule, (letter, shape, words_) in _LOOKS.items():
            if rule in present:
                yield mark(shape, letter, x, y - 4, 3.4)
                yield text("muted", x + 9, y, f"{letter} {words_}")
                x += 24 + 6.0 * len(words_)
        if self.chart.incomplete:
            yield mark("circle", "hollow", x, y - 4, 3.4)
            yield text("muted", x + 9, y, "incomplete, not judged")
