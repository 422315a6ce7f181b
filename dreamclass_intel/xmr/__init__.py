"""XmR charts: limits, signals, words and drawing of one series. Pure: numpy only, no Dagster, no warehouse.

This is the public door; import from here. `analyse` makes a chart, `render_svg` draws it, `read_series` reads
a file. The names are loaded on first use, so that the command line can know its commands without loading
numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dreamclass_intel.xmr.chart import Chart, Segment, analyse
    from dreamclass_intel.xmr.limits import CONSTANTS, Baseline, Factors, Limits, Lines, Method, compute_limits
    from dreamclass_intel.xmr.reading import Series, SeriesError, read_series
    from dreamclass_intel.xmr.rules import PRECEDENCE, PRESETS, Signal, Stretch
    from dreamclass_intel.xmr.segments import Attribution, Contribution, attribute, windows_of
    from dreamclass_intel.xmr.svg import render_svg
    from dreamclass_intel.xmr.svg_parts import STYLE
    from dreamclass_intel.xmr.table import TABLE_STYLE, render_table
    from dreamclass_intel.xmr.words import phrase

__all__ = [
    "CONSTANTS",
    "PRECEDENCE",
    "PRESETS",
    "STYLE",
    "TABLE_STYLE",
    "Attribution",
    "Baseline",
    "Chart",
    "Contribution",
    "Factors",
    "Limits",
    "Lines",
    "Method",
    "Segment",
    "Series",
    "SeriesError",
    "Signal",
    "Stretch",
    "analyse",
    "attribute",
    "compute_limits",
    "phrase",
    "read_series",
    "render_svg",
    "render_table",
    "windows_of",
]

_HOMES = {
    "chart": ("Chart", "Segment", "analyse"),
    "limits": ("CONSTANTS", "Baseline", "Factors", "Limits", "Lines", "Method", "compute_limits"),
    "reading": ("Series", "SeriesError", "read_series"),
    "rules": ("PRECEDENCE", "PRESETS", "Signal", "Stretch"),
    "segments": ("Attribution", "Contribution", "attribute", "windows_of"),
    "svg": ("render_svg",),
    "svg_parts": ("STYLE",),
    "table": ("TABLE_STYLE", "render_table"),
    "words": ("phrase",),
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Load a public name from the module that holds it (PEP 562)."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value
