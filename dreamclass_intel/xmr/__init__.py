"""XmR charts: limits, signals, words and drawing of one series. Pure: numpy only, no Dagster, no warehouse.

This is the public door; import from here. `analyse` makes a chart, `render_svg` draws it, `propose` says where
it may need new limits, `read_series` reads a file. The names are loaded on first use, so that the command line
can know its commands without loading numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dreamclass_intel.xmr.chart import Chart, Segment, analyse
    from dreamclass_intel.xmr.decisions import Decision, dividers_of
    from dreamclass_intel.xmr.evidence import Proposal
    from dreamclass_intel.xmr.limits import CONSTANTS, Baseline, Factors, Limits, Lines, Method, compute_limits
    from dreamclass_intel.xmr.proposals import propose, watch
    from dreamclass_intel.xmr.reading import Series, SeriesError, read_series
    from dreamclass_intel.xmr.rules import PRECEDENCE, PRESETS, Signal, Stretch
    from dreamclass_intel.xmr.svg import render_svg
    from dreamclass_intel.xmr.words import phrase

__all__ = [
    "CONSTANTS",
    "PRECEDENCE",
    "PRESETS",
    "Baseline",
    "Chart",
    "Decision",
    "Factors",
    "Limits",
    "Lines",
    "Method",
    "Proposal",
    "Segment",
    "Series",
    "SeriesError",
    "Signal",
    "Stretch",
    "analyse",
    "compute_limits",
    "dividers_of",
    "phrase",
    "propose",
    "read_series",
    "render_svg",
    "watch",
]

_HOMES = {
    "chart": ("Chart", "Segment", "analyse"),
    "decisions": ("Decision", "dividers_of"),
    "evidence": ("Proposal",),
    "limits": ("CONSTANTS", "Baseline", "Factors", "Limits", "Lines", "Method", "compute_limits"),
    "proposals": ("propose", "watch"),
    "reading": ("Series", "SeriesError", "read_series"),
    "rules": ("PRECEDENCE", "PRESETS", "Signal", "Stretch"),
    "svg": ("render_svg",),
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
