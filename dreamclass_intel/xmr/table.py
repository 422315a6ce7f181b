"""The figures of a chart as an HTML table: what a screen reader reads instead of the picture.

Kept apart from the SVG because readers take a graphic for one image (and do not look into one that is loaded through
<img>), while every reader knows its way around a table.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dreamclass_intel.xmr import words
from dreamclass_intel.xmr.chart import Chart
from dreamclass_intel.xmr.svg import Good, checked
from dreamclass_intel.xmr.svg_parts import escape

# Out of sight and not out of the reading order (display:none would be).
TABLE_STYLE = (
    ".xmr-table{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}"
)


def render_table(chart: Chart, *, title: str = "", good: Good = None, reasons: Mapping[int, str] | None = None) -> str:
    """A <div class="xmr-table"> with one row a window: value, moving range, remarks, and the limits where they differ
    from window to window. `TABLE_STYLE` hides it from view; leave the rule out to show it. The arguments, and the
    errors raised, are those of `render_svg`. Any text may be hostile: it is escaped.
    """
    why = checked(chart, good, reasons)
    varies = any(segment.limits is not None and segment.limits.lines is not None for segment in chart.segments)
    head = ["window", "value", "moving range", *(["centre", "lower limit", "upper limit"] if varies else []), "remarks"]
    columns = [*words.reading_of(chart), *(_lines(chart) if varies else [])]
    told = words.remarks(chart, good, why)
    rows = []
    for i, cells in enumerate(zip(*columns, strict=True)):
        rows.append(f"<tr><th>{escape(chart.label(i))}<td>{'<td>'.join(cells)}<td>{escape(told.get(i, ''))}")
    caption = escape(f"{title or 'XmR chart'}. {words.description(chart, good, why)}")
    return (
        f'<div class="xmr-table"><table><caption>{caption}</caption>'
        f"<thead><tr><th>{'<th>'.join(head)}<tbody>{''.join(rows)}</table></div>\n"
    )


def _lines(chart: Chart) -> list[list[str]]:
    """Centre, lower and upper limit of every window, NaN where there are none."""
    found = np.full((3, chart.values.size), np.nan)
    step = 0.0
    for segment in chart.segments:
        if segment.limits is not None:
            step = words.unit(segment.limits)
            centre, upper, lower = segment.limits.at(np.arange(segment.start, segment.stop))
            for row, line in zip(found, (centre, lower, upper), strict=True):
                row[segment.start : segment.stop] = line
    return [words.figures(row, step) for row in found.tolist()]
