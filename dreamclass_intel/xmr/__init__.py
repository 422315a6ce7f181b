"""XmR charts: limits, signals, words and drawing of one series. Pure: numpy only, no Dagster, no warehouse.

This is the public door; import from here. `analyse` makes a chart, `render_svg` draws it, `propose` says where
it may need new limits, `read_series` reads a file. The names are loaded on first use, so that the command line
can know its commands without loading numpy.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dreamclass_intel.xmr.adjust import Adjustment, Season
    from dreamclass_intel.xmr.advice import Advice, advise
    from dreamclass_intel.xmr.chart import Chart, Segment, analyse
    from dreamclass_intel.xmr.decisions import Decision, dividers_of
    from dreamclass_intel.xmr.discovery import common_autocorrelation, discoveries, shift_p_values, within_budget
    from dreamclass_intel.xmr.events import EVENT
    from dreamclass_intel.xmr.evidence import Proposal
    from dreamclass_intel.xmr.kinds import KINDS
    from dreamclass_intel.xmr.limits import CONSTANTS, Baseline, Factors, Limits, Lines, Method, compute_limits
    from dreamclass_intel.xmr.many import ManyCharts, chart_many
    from dreamclass_intel.xmr.many_append import append
    from dreamclass_intel.xmr.many_limits import STATUSES, ManyLimits
    from dreamclass_intel.xmr.patterns import SIDES
    from dreamclass_intel.xmr.proposals import propose, watch
    from dreamclass_intel.xmr.reading import Series, SeriesError, read_series
    from dreamclass_intel.xmr.rules import PRECEDENCE, PRESETS, Signal
    from dreamclass_intel.xmr.segments import Attribution, Contribution, attribute, windows_of
    from dreamclass_intel.xmr.svg import render_svg
    from dreamclass_intel.xmr.svg_parts import STYLE
    from dreamclass_intel.xmr.table import TABLE_STYLE, render_table
    from dreamclass_intel.xmr.words import phrase

__all__ = [
    "CONSTANTS",
    "EVENT",
    "KINDS",
    "PRECEDENCE",
    "PRESETS",
    "SIDES",
    "STATUSES",
    "STYLE",
    "TABLE_STYLE",
    "Adjustment",
    "Advice",
    "Attribution",
    "Baseline",
    "Chart",
    "Contribution",
    "Decision",
    "Factors",
    "Limits",
    "Lines",
    "ManyCharts",
    "ManyLimits",
    "Method",
    "Proposal",
    "Season",
    "Segment",
    "Series",
    "SeriesError",
    "Signal",
    "advise",
    "analyse",
    "append",
    "attribute",
    "chart_many",
    "common_autocorrelation",
    "compute_limits",
    "discoveries",
    "dividers_of",
    "phrase",
    "propose",
    "read_series",
    "render_svg",
    "render_table",
    "shift_p_values",
    "watch",
    "windows_of",
    "within_budget",
]

_HOMES = {
    "adjust": (
        "Adjustment",
        "Season",
    ),
    "advice": (
        "Advice",
        "advise",
    ),
    "chart": (
        "Chart",
        "Segment",
        "analyse",
    ),
    "decisions": (
        "Decision",
        "dividers_of",
    ),
    "discovery": (
        "common_autocorrelation",
        "discoveries",
        "shift_p_values",
        "within_budget",
    ),
    "events": ("EVENT",),
    "evidence": ("Proposal",),
    "kinds": ("KINDS",),
    "limits": (
        "CONSTANTS",
        "Baseline",
        "Factors",
        "Limits",
        "Lines",
        "Method",
        "compute_limits",
    ),
    "many": (
        "ManyCharts",
        "chart_many",
    ),
    "many_append": ("append",),
    "many_limits": (
        "STATUSES",
        "ManyLimits",
    ),
    "patterns": ("SIDES",),
    "proposals": (
        "propose",
        "watch",
    ),
    "reading": (
        "Series",
        "SeriesError",
        "read_series",
    ),
    "rules": (
        "PRECEDENCE",
        "PRESETS",
        "Signal",
    ),
    "segments": (
        "Attribution",
        "Contribution",
        "attribute",
        "windows_of",
    ),
    "svg": ("render_svg",),
    "svg_parts": ("STYLE",),
    "table": (
        "TABLE_STYLE",
        "render_table",
    ),
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
