"""The XmR chart as SVG: the X chart over the mR chart.

Deterministic (the same chart gives the same bytes), without scripts or outside references, readable on light and dark
ground, with a title and a description for screen readers. A graphic is one image to them, and one inside an <img> is
not read at all, so the figures of all windows are a table of their own beside it (table.py). Not here: the pieces it is
made of (svg_parts.py), the looks of rules (svg_looks.py), any wording (words.py) or judgement: what is marked is what
the chart says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Literal

import numpy as np

from dreamclass_intel.xmr import words
from dreamclass_intel.xmr.chart import Chart
from dreamclass_intel.xmr.rules import Signal
from dreamclass_intel.xmr.svg_layout import CHARACTER, ROW, TOP, Layout
from dreamclass_intel.xmr.svg_looks import ZONES, look_of, rank
from dreamclass_intel.xmr.svg_parts import STYLE, coordinate, escape, path, shape, shorten, text

Good = Literal["up", "down"] | None


def render_svg(
    chart: Chart,
    *,
    title: str = "",
    width: int = 860,
    good: Good = None,
    reasons: Mapping[int, str] | None = None,
    standalone: bool = True,
) -> str:
    """The chart as SVG text (encode as UTF-8). `width` in pixels, at least 320; the height follows from what is shown.

    good: the direction that is better, if either is.
    reasons: why a new segment starts, by the index of its divider.
    standalone: with the style sheet and a tooltip on every window. False is for a page of many charts, which holds
        `STYLE` once and the figures in tables: only windows with a remark keep their tooltip.
    Any text may be hostile: it is escaped. The file grows with the windows. Raises ValueError for a direction other
    than up and down, a reason where no segment starts, and a width below 320.
    """
    if width < 320:
        raise ValueError(f"width must be at least 320 pixels, not {width}")
    return _Drawing(chart, title or "XmR chart", float(width), good, checked(chart, good, reasons)).render(standalone)


def checked(chart: Chart, good: str | None, reasons: Mapping[int, str] | None) -> dict[int, str]:
    """The reasons by index, those beyond the end left out (as `analyse` does with their dividers)."""
    if good not in ("up", "down", None):
        raise ValueError(f"good must be up, down or None, not {good!r}")
    starts = {segment.start for segment in chart.segments}
    for index in reasons or {}:
        if index not in starts and index < chart.values.size:
            raise ValueError(f"reasons: no divider at {index}")
    return {index: why for index, why in sorted((reasons or {}).items()) if index in starts and why}


class _Drawing(Layout):
    """One drawing in progress: the parts, in drawing order."""

    def __init__(self, chart: Chart, title: str, width: float, good: Good, reasons: dict[int, str]) -> None:
        super().__init__(chart, width)
        self.title, self.good, self.reasons = title, good, reasons
        self.told = words.remarks(chart, good, reasons)
        self.jumps = {i for segment, _ in self.drawn for i in words.jumps(chart, segment).tolist()}
        self.marks: dict[int, list[Signal]] = {}
        for signal in chart.signals:
            for index in signal.members:
                self.marks.setdefault(index, []).append(signal)

    def render(self, standalone: bool) -> str:
        legend = list(self._legend())
        height = self.mr_bottom + 28 + 18 * len(legend)
        body = "\n".join(
            part
            for part in (
                *self._heading(),
                *self._bases(),
                *self._grid(),
                *self._limit_lines(),
                *self._dividers(),
                *self._values(),
                *self._ranges(),
                *self._figures(),
                *self._time_axis(),
                *(part for row in legend for part in row),
                *self._tips(standalone),
            )
            if part
        )
        description = words.description(self.chart, self.good, self.reasons)
        # Several charts may share a page: their ids come from what they show.
        shown = f"{self.title}\n{description}\n{body}".encode("utf-8", "replace")
        key = f"xmr-{hashlib.sha256(shown).hexdigest()[:10]}"
        w, h = coordinate(self.width), coordinate(height)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="xmr" viewBox="0 0 {w} {h}" width="{w}" height="{h}" '
            f'role="img" aria-labelledby="{key}-t {key}-d">\n'
            f'<title id="{key}-t">{escape(self.title)}</title>\n<desc id="{key}-d">{escape(description)}</desc>\n'
            + (f"<style>{STYLE}</style>\n" if standalone else "")
            + f'<path class="ground" d="M0 0h{w}v{h}h-{w}z"/>\n{body}\n</svg>\n'
        )

    def _heading(self) -> Iterator[str]:
        room = self.width - self.left - 8
        if self.good is not None:
            told = "↑ higher is better" if self.good == "up" else "↓ lower is better"
            yield text("k e", self.width - 8, 22, told)
            room -= CHARACTER * 1.2 * len(told)
        yield text("head", self.left, 22, shorten(self.title, int(room / 8.4)))
        yield text("m", self.left, 40, shorten(self.chart.verdict, int((self.width - self.left - 8) / 5.6)))

    def _bases(self) -> Iterator[str]:
        """The points the limits come from, shaded, with the limits' standing."""
        standing = []
        areas = []
        for number, (segment, f) in enumerate(self.drawn):
            first, stop = f.base
            if segment.start <= first < stop <= self.n:  # limits given from outside have no points here
                left, right = self.edge(first), self.edge(stop)
                areas.append(
                    f"M{coordinate(left)} {coordinate(self.top)}H{coordinate(right)}V{coordinate(self.x_bottom)}"
                )
                areas.append(f"H{coordinate(left)}z")
            row = self.x_bottom - 5 - 12 * (number % 2)  # neighbours on two rows: narrow segments do not collide
            standing.append(text("m", self.edge(segment.start) + 4, row, words.status(f)))
        yield path("base", areas)
        yield from standing

    def _grid(self) -> Iterator[str]:
        across = coordinate(self.right)
        lines, labels = [], []
        for scale, ticks, step in self.ticks:
            for tick in ticks:
                y = scale(tick)
                lines.append(f"M{coordinate(self.left)} {coordinate(y)}H{across}")
                labels.append(text("", self.left - 6, y + 4, words.figure(tick, step * 10)))
        yield path("grid", lines)
        yield f'<g class="m e">{"".join(labels)}</g>' if labels else ""
        yield text("k", 8, self.top - 9, "X")
        yield text("k", 8, self.mr_top - 9, "mR")

    def _limit_lines(self) -> Iterator[str]:
        """Centre, limits and zone lines of every segment: level where all windows share them, steps where their
        width differs (rates), through the windows where the centre moves (trend, season).
        """
        solid: list[str] = []
        dashed: dict[str, list[str]] = {"limit": [], "limit trial": [], "half": []}
        for segment, f in self.drawn:
            css = "limit trial" if f.status == "trial" else "limit"
            centre, upper, lower = self.lines(segment, f)
            moves = bool((centre[1:] != centre[:-1]).any())
            for line, to in (
                (centre, solid),
                (upper, dashed[css]),
                (lower, dashed[css]),
                *(
                    (centre + (limit - centre) * share, dashed["half"])
                    for share in ZONES.get(self.chart.preset, ())
                    for limit in (upper, lower)
                ),
            ):
                to.append(self.track(segment, self.y(self.clip(line)), moves))
            if self.ranges_have_limits:
                solid.append(self.track(segment, self.y_mr(np.array([f.mr_bar])), False))
                dashed[css].append(self.track(segment, self.y_mr(np.array([f.url])), False))
        yield path("centre", solid)
        for css, parts in dashed.items():
            yield path(css, parts)
        for y, label in self.limit_labels():
            yield text("", self.right + 6, y, label)

    def _figures(self) -> Iterator[str]:
        """What lies over the points: the figures of the earlier limits, one letter an event."""
        over = []
        for segment, f in self.drawn:
            if segment is not self.chart.segments[-1] and (segment.stop - segment.start) * self.pitch > 60:
                x = self.edge(segment.stop) - 4
                ends = [float(line[-1]) for line in self.lines(segment, f)]
                for value, off in zip(ends, (-4, -4, 11), strict=True):
                    if np.isfinite(value):
                        over.append(text("e", x, self.y(self.clipped(value)) + off, words.figure(value, words.unit(f))))
                if self.ranges_have_limits:
                    over.append(text("e", x, self.y_mr(f.url) - 4, words.figure(f.url, f.mr_bar)))
        letters: dict[int, list[Signal]] = {}
        for signal in self.chart.signals:  # where it became known, on the side it points to
            at = max((m for m in signal.members if m <= signal.known_at), default=signal.members[0])
            letters.setdefault(at, []).append(signal)
        for i, signals in sorted(letters.items()):
            signals.sort(key=lambda s: (rank(s.rule), s.rule))
            looks = [look_of(signal.rule) for signal in signals]
            y = float(self.y_of[i]) + (16 if signals[0].side == "below" else -8)
            told = "".join(look.letter for look in looks)
            over.append(text(f"k c {looks[0].colour}", self.edge(i + 0.5), y, told))
        yield f'<g class="halo">{"".join(over)}</g>' if over else ""

    def _dividers(self) -> Iterator[str]:
        """Where new segments start and why, on up to three rows above the chart."""
        starts = [segment.start for segment in self.chart.segments[1:]]
        rows = min(len(starts), 3)
        lines, labels = [], []
        for k, start in enumerate(starts):
            x, y = self.edge(start), TOP + ROW * (k % rows)
            until = self.edge(starts[k + rows]) if k + rows < len(starts) else self.width
            label = self.chart.label(start)
            if why := self.reasons.get(start):
                label = f"{shorten(label, 14)}: {why}"
            room = int((until - x - 10) / CHARACTER)
            if len(label) > room and rows == len(starts) and x - self.left > until - x:
                labels.append(text("e", x - 4, y, shorten(label, int((x - self.left) / CHARACTER))))
            else:
                labels.append(text("", x + 4, y, shorten(label, room)))
            lines.append(f"M{coordinate(x)} {coordinate(y - 9)}V{coordinate(self.mr_bottom)}")
        yield path("divider", lines)
        yield f'<g class="halo">{"".join(labels)}</g>' if labels else ""

    def _trace(self, at: list[str], step_to: list[str], finite: list[bool]) -> Iterator[str]:
        """The line between points: broken at gaps and dividers, dotted to an open window."""
        starts = {segment.start for segment in self.chart.segments}
        judged = self.chart.judged.tolist()
        closed: list[str] = []
        dotted: list[str] = []
        joined = False
        for i in range(1, self.n):
            if not (finite[i] and finite[i - 1]) or i in starts:
                joined = False
            elif judged[i] and judged[i - 1]:
                closed.append(f"l{step_to[i]}" if joined else f"M{at[i - 1]}l{step_to[i]}")
                joined = True
            else:
                dotted.append(f"M{at[i - 1]}l{step_to[i]}")
                joined = False
        yield path("line", closed)
        yield path("open", dotted)

    def _values(self) -> Iterator[str]:
        finite = np.isfinite(self.chart.values).tolist()
        judged = self.chart.judged.tolist()
        yield from self._trace(self.at, self.step_to, finite)
        low = coordinate(self.x_bottom - 5)
        missing = (self.edge(i + 0.5) for i in range(self.n) if not finite[i])
        yield path("gap", (f"M{coordinate(x)} {low}v10" for x in missing))
        plain = [i for i in range(self.n) if judged[i] and i not in self.marks]
        yield self._dots(self.at, self.step_to, plain, self.radius)
        ring = shape("circle", self.radius)
        yield path("hollow", (f"M{self.at[i]}{ring}" for i in range(self.n) if finite[i] and not judged[i]))
        members: dict[tuple[str, str], list[str]] = {}
        for i, signals in sorted(self.marks.items()):
            look = look_of(min((s.rule for s in signals), key=lambda rule: (rank(rule), rule)))
            members.setdefault((look.colour, look.shape), []).append(
                f"M{self.at[i]}{shape(look.shape, max(self.radius, 2.6))}"
            )
        for (colour, _), parts in members.items():
            yield path(colour, parts)

    def _ranges(self) -> Iterator[str]:
        finite = np.isfinite(self.chart.moving_ranges).tolist()
        yield from self._trace(self.at_mr, self.step_to_mr, finite)
        plain = [i for i in range(self.n) if finite[i] and i not in self.jumps]
        yield self._dots(self.at_mr, self.step_to_mr, plain, self.radius * 0.8)
        yield path("hollow", (f"M{self.at_mr[i]}{shape('diamond', 3.0)}" for i in sorted(self.jumps)))

    def _dots(self, at: list[str], step_to: list[str], which: list[int], radius: float) -> str:
        """Round points as one path: strokes of no length with round ends."""
        d, before = [], -2
        for i in which:
            d.append(f"m{step_to[i]}z" if i == before + 1 else f"M{at[i]}z")
            before = i
        return f'<path class="dots" stroke-width="{coordinate(2 * radius)}" d="{"".join(d)}"/>' if d else ""

    def _time_axis(self) -> Iterator[str]:
        ends = [shorten(self.chart.label(i), 14) for i in (0, self.n - 1) if self.n]
        wanted = min(self.n, 8, max(1, int((self.right - self.left) / (7.0 * max(map(len, ends), default=1) + 14))))
        shown = sorted({round(k * (self.n - 1) / max(wanted - 1, 1)) for k in range(wanted)})
        labels = "".join(
            text("", self.edge(i) + self.pitch / 2, self.mr_bottom + 16, shorten(self.chart.label(i), 14))
            for i in shown
        )
        yield f'<g class="m c">{labels}</g>' if shown else ""

    def _legend(self) -> Iterator[list[str]]:
        """Rows of what the marks mean, only those that are there."""
        items = []
        for rule in sorted({signal.rule for signal in self.chart.signals}, key=lambda rule: (rank(rule), rule)):
            look = look_of(rule)
            items.append((look.colour, look.shape, f"{look.letter} {look.words}"))
        if self.jumps:
            items.append(("hollow", "diamond", "moving range above its limit"))
        if any(f.status == "trial" for _, f in self.drawn):
            items.append(("limit trial", "", "trial limits"))
        if self.chart.incomplete:
            items.append(("hollow", "circle", "incomplete, not judged"))
        row: list[str] = []
        x, y = self.left, self.mr_bottom + 38
        for css, name, told in items:
            if row and x + 10 + CHARACTER * len(told) > self.width:
                yield row
                row, x, y = [], self.left, y + 18
            at = f"M{coordinate(x)} {coordinate(y - 4)}"
            outline = shape(name, 3.2) if name else "m-5 0h12"
            row.append(f'<path class="{css}" d="{at}{outline}"/>')
            row.append(text("m", x + 10, y, told))
            x += 30 + CHARACTER * len(told)
        if row:
            yield row

    def _tips(self, standalone: bool) -> Iterator[str]:
        """A tooltip a window, on a column as high as both charts: easier to hit than a point."""
        column = f" 0V{coordinate(self.mr_bottom)}"
        shown = range(self.n) if standalone else list(self.told)
        readings = words.readings(self.chart, self.told, shown)
        columns = [
            f'<path d="M{self.edge(i + 0.5):.0f}{column}"><title>{escape(reading)}</title></path>'
            for i, reading in zip(shown, readings, strict=True)
        ]
        width = coordinate(max(self.pitch, 1.0))
        yield f'<g class="tips" stroke-width="{width}">{"".join(columns)}</g>' if columns else ""
