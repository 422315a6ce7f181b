"""Pieces of the SVG writer: escaping, numbers as text, scales, marks, the style sheet.

Nothing here knows what a chart is (svg.py does). Everything returns the same text for the same input.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

# Characters XML 1.0 cannot hold even when escaped, and lone surrogates, which UTF-8 cannot.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

# Both palettes keep a contrast of at least 4.5 between text and ground. The three signal colours are told
# apart by the colour-blind as well (after Okabe and Ito), and the shapes carry the same meaning without any
# colour.
_PALETTE = "--g:#fff;--i:#1f2328;--m:#59636e;--l:#d1d9e0;--b:#eef1f4;--o:#c4320a;--r:#0a5fb4;--h:#7c3fa8"
_DARK = "--g:#14181d;--i:#e6edf3;--m:#9aa4af;--l:#343b43;--b:#1e242b;--o:#ff8f66;--r:#6cb6ff;--h:#d2a8ff"
_RULES = {
    "text": "fill:var(--i)",
    ".muted": "fill:var(--m)",
    ".head": "font-size:15px;font-weight:600",
    ".ground": "fill:var(--g)",
    ".base": "fill:var(--b)",
    ".grid": "stroke:var(--l)",
    ".half": "stroke:var(--m);stroke-width:.6;stroke-dasharray:2 4",
    ".centre": "stroke:var(--i)",
    ".limit": "stroke:var(--i);stroke-dasharray:6 4",
    ".divider": "stroke:var(--i);stroke-dasharray:1 3",
    ".line": "fill:none;stroke:var(--m);stroke-width:1.3",
    ".open": "stroke-dasharray:2 3",
    ".pt": "fill:var(--m);stroke:var(--g);stroke-width:.8",
    ".hollow": "fill:var(--g);stroke:var(--m);stroke-width:1.4",
    ".gap": "stroke:var(--m);stroke-width:1.2",
    ".L": "fill:var(--o)",
    ".R,.xmr .T,.xmr .A,.xmr .W,.xmr .S,.xmr .C": "fill:var(--r)",
    ".H,.xmr .N,.xmr .F,.xmr .B": "fill:var(--h)",
    ".letter": "font-size:10px;font-weight:700",
}
STYLE = (
    f".xmr{{font:11px system-ui,sans-serif;{_PALETTE}}}"
    f"@media (prefers-color-scheme:dark){{.xmr{{{_DARK}}}}}"
    + "".join(f".xmr {selector}{{{rule}}}" for selector, rule in _RULES.items())
)


def escape(text: str) -> str:
    """Text made safe for element content and for double-quoted attributes; what XML cannot hold becomes
    U+FFFD.
    """
    clean = _FORBIDDEN.sub("\ufffd", text)
    for raw, safe in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        clean = clean.replace(raw, safe)
    return clean


def shorten(text: str, length: int) -> str:
    """At most `length` characters, with an ellipsis where something is left out."""
    return text if len(text) <= length else text[: length - 1] + "…"


def figure(value: float, step: float) -> str:
    """A figure for the eye: decimals to a hundredth of `step` (its routine variation), thousands separated.

    Only for drawing; nothing is ever compared after this rounding.
    """
    size = step if step > 0 else abs(value)
    if not size or not math.isfinite(size):
        return f"{value:g}"
    decimals = 2 - math.floor(math.log10(size))
    if decimals > 10 or abs(value) >= 1e16:
        return f"{value:.6g}"
    text = f"{value:,.{max(0, decimals)}f}"
    return text if "." not in text else text.rstrip("0").rstrip(".")


def exact(value: float) -> str:
    """The shortest decimal that gives this float back: the figure of a tooltip."""
    return repr(value).removesuffix(".0")


def coordinate(value: float) -> str:
    """A pixel coordinate, two decimals, never "-0.00"."""
    return f"{value + 0.0:.2f}" if abs(value) >= 0.005 else "0.00"


@dataclass(frozen=True)
class Scale:
    """A linear map from the figures `low`..`high` to the pixels `bottom`..`top`."""

    low: float
    high: float
    bottom: float
    top: float

    @classmethod
    def around(cls, figures: list[float], bottom: float, top: float, *, floor: float | None = None) -> Scale:
        """A scale that shows all figures with some air, or `floor` as its lower end."""
        low, high = min(figures), max(figures)
        air = (high / 2 - low / 2) * 0.22 or abs(high) * 0.1 or 1.0
        return cls(low - air if floor is None else floor, high + air, bottom, top)

    def __call__(self, figure: float) -> float:
        """The pixel of a figure."""
        # Halved first: the distance of two representable figures may not be representable.
        share = (figure / 2 - self.low / 2) / (self.high / 2 - self.low / 2)
        return self.bottom + (self.top - self.bottom) * share

    def ticks(self, wanted: int) -> tuple[list[float], float]:
        """Round figures (1, 2 or 5 times a power of ten) within the scale, about `wanted` of them, and their
        step.
        """
        span = self.high - self.low
        if not math.isfinite(span) or span <= 0:
            return [], 0.0
        power = 10.0 ** math.floor(math.log10(span / wanted))
        step = next((power * k for k in (1, 2, 5) if span / (power * k) <= wanted), power * 10)
        first, last = math.ceil(self.low / step), math.floor(self.high / step)
        if not step or last - first > 4 * wanted:  # beyond what floats can tell apart
            return [], 0.0
        return [k * step for k in range(first, last + 1)], step


def line(css: str, x1: float, y1: float, x2: float, y2: float, tip: str = "") -> str:
    """A straight line, with a tooltip if one is given."""
    c = coordinate
    head = f'<line class="{css}" x1="{c(x1)}" y1="{c(y1)}" x2="{c(x2)}" y2="{c(y2)}"'
    return f"{head}><title>{escape(tip)}</title></line>" if tip else f"{head}/>"


def rect(css: str, x: float, y: float, width: float, height: float, tip: str = "") -> str:
    """A rectangle, with a tooltip if one is given."""
    c = coordinate
    head = f'<rect class="{css}" x="{c(x)}" y="{c(y)}" width="{c(width)}" height="{c(height)}"'
    return f"{head}><title>{escape(tip)}</title></rect>" if tip else f"{head}/>"


def text(css: str, x: float, y: float, content: str, anchor: str = "start") -> str:
    """A line of text; the content is escaped here."""
    where = f'x="{coordinate(x)}" y="{coordinate(y)}"'
    end = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text class="{css}" {where}{end}>{escape(content)}</text>'


def mark(shape: str, css: str, x: float, y: float, r: float, tip: str = "") -> str:
    """A point: circle, diamond, square, triangle or pentagon of radius `r`, with its tooltip."""
    title = f"<title>{escape(tip)}</title>" if tip else ""
    if shape == "circle":
        attributes = f'cx="{coordinate(x)}" cy="{coordinate(y)}" r="{coordinate(r)}"'
        return f'<circle class="{css}" {attributes}>{title}</circle>'
    corners = {
        "diamond": ((0, -1.5), (1.5, 0), (0, 1.5), (-1.5, 0)),
        "square": ((-1.1, -1.1), (1.1, -1.1), (1.1, 1.1), (-1.1, 1.1)),
        "triangle": ((0, -1.5), (1.4, 1.0), (-1.4, 1.0)),
        "pentagon": ((0, -1.4), (1.3, -0.4), (0.8, 1.1), (-0.8, 1.1), (-1.3, -0.4)),
    }[shape]
    points = " ".join(f"{coordinate(x + dx * r)},{coordinate(y + dy * r)}" for dx, dy in corners)
    return f'<polygon class="{css}" points="{points}">{title}</polygon>'
