"""Pieces of the SVG writer: escaping, numbers as text, scales, paths, shapes, the style sheet.

Nothing here knows what a chart is (svg.py does). Everything returns the same text for the same input.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import overload

import numpy as np

from dreamclass_intel.xmr.limits import FloatArray

# Characters XML 1.0 cannot hold even when escaped, and lone surrogates, which UTF-8 cannot.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_UNSAFE = re.compile(f"{_FORBIDDEN.pattern}|[&<>\"']")
_ESCAPES = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"})

# ground, ink, muted, grid, shaded baseline; then the colours of signals, which the colour-blind can tell apart as well
# (after Okabe and Ito); shape and letter say the same without any colour. Whatever text is written in has a contrast
# of at least 4.5 on ground and baseline (WCAG 2.2, 1.4.3).
LIGHT = dict(zip("gimlborht", ["fff", "222", "567", "cdd", "eff1f3", "b30", "05b", "739", "064"], strict=True))
DARK = dict(zip("gimlborht", ["14181d", "eee", "9ab", "344", "1e242b", "f96", "6bf", "cae", "5ca"], strict=True))
_RULES = {
    "text": "fill:var(--i)",
    "path": "fill:none;stroke:var(--i)",
    ".m,.xmr .m text": "fill:var(--m)",
    ".e": "text-anchor:end",
    ".c": "text-anchor:middle",
    ".head": "font-size:15px;font-weight:600",
    ".k": "font-weight:700",
    ".halo text": "paint-order:stroke;stroke:var(--g);stroke-width:3px",
    ".ground": "fill:var(--g);stroke:none",
    ".base": "fill:var(--b);stroke:none",
    ".grid": "stroke:var(--l)",
    ".half": "stroke:var(--m);stroke-width:.7;stroke-dasharray:2 4",
    ".limit": "stroke-dasharray:7 4",
    ".trial": "stroke-dasharray:2 3",
    ".divider": "stroke-width:1.5;stroke-dasharray:1 3",
    ".line": "stroke:var(--m);stroke-width:1.3",
    ".open": "stroke:var(--m);stroke-dasharray:2 3",
    ".dots": "stroke:var(--m);stroke-linecap:round",
    ".gap": "stroke:var(--m)",
    ".hollow": "fill:var(--g);stroke:var(--m);stroke-width:1.5",
    **{f".{c}": f"fill:var(--{c});stroke:none" for c in "orht"},
    ".tips path": "stroke:transparent",
}
# A style sheet a chart: in every standalone one, or once on a page that holds many.
STYLE = (
    f".xmr{{font:11px system-ui,sans-serif;{';'.join(f'--{name}:#{c}' for name, c in LIGHT.items())}}}"
    f"@media (prefers-color-scheme:dark){{.xmr{{{';'.join(f'--{name}:#{c}' for name, c in DARK.items())}}}}}"
    + "".join(f".xmr {selector}{{{rule}}}" for selector, rule in _RULES.items())
)

# Corners in radii, so that all look about as large as a circle of radius 1.
_SHAPES = {
    "diamond": ((0, -1.5), (1.5, 0), (0, 1.5), (-1.5, 0)),
    "square": ((-1.15, -1.15), (1.15, -1.15), (1.15, 1.15), (-1.15, 1.15)),
    "triangle": ((0, -1.5), (1.5, 1.1), (-1.5, 1.1)),
    "wedge": ((0, 1.5), (1.5, -1.1), (-1.5, -1.1)),
    "pentagon": ((0, -1.5), (1.43, -0.46), (0.88, 1.21), (-0.88, 1.21), (-1.43, -0.46)),
    "bar": ((-0.7, -1.6), (0.7, -1.6), (0.7, 1.6), (-0.7, 1.6)),
    "bow": ((-1.5, -1.3), (1.5, -1.3), (-1.5, 1.3), (1.5, 1.3)),
    "cross": (
        *((-0.5, -1.5), (0.5, -1.5), (0.5, -0.5), (1.5, -0.5), (1.5, 0.5), (0.5, 0.5)),
        *((0.5, 1.5), (-0.5, 1.5), (-0.5, 0.5), (-1.5, 0.5), (-1.5, -0.5), (-0.5, -0.5)),
    ),
}


def escape(text: str) -> str:
    """Text made safe for element content and for double-quoted attributes; what XML cannot hold becomes
    U+FFFD.
    """
    return _FORBIDDEN.sub("\ufffd", text).translate(_ESCAPES) if _UNSAFE.search(text) else text


def shorten(text: str, length: int) -> str:
    """At most `length` characters, with an ellipsis where something is left out."""
    return text if len(text) <= length else text[: max(length - 1, 0)].rstrip() + "…"


def coordinate(value: float) -> str:
    """A pixel coordinate to a tenth, as short as it goes."""
    short = f"{value:.1f}".removesuffix(".0")
    return "0" if short == "-0" else short


def places(x: FloatArray, y: FloatArray) -> tuple[list[str], list[str]]:
    """ "x y" of the points to a tenth of a pixel, and "dx dy" from the point before, which is shorter; whatever is not
    a number is no place.
    """
    tenths = np.rint(np.nan_to_num(np.column_stack([x, y])) * 10)
    steps = np.diff(tenths, axis=0, prepend=0.0)
    one = "%g %g|" * x.size
    at, step = (one % tuple((pairs.ravel() / 10).tolist()) for pairs in (tenths, steps))
    return at.split("|")[:-1], step.replace(" -", "-").split("|")[:-1]


@dataclass(frozen=True)
class Scale:
    """A linear map from the figures `low`..`high` to the pixels `bottom`..`top`."""

    low: float
    high: float
    bottom: float
    top: float

    @classmethod
    def around(cls, low: float, high: float, bottom: float, top: float, *, floor: float | None = None) -> Scale:
        """A scale that shows the figures from `low` to `high` with some air, or `floor` as its lower end."""
        air = (high / 2 - low / 2) * 0.22 or abs(high) * 0.1 or 1.0
        return cls(low - air if floor is None else floor, high + air, bottom, top)

    @overload
    def __call__(self, figure: float) -> float: ...
    @overload
    def __call__(self, figure: FloatArray) -> FloatArray: ...
    def __call__(self, figure: float | FloatArray) -> float | FloatArray:
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


def path(css: str, parts: Iterable[str]) -> str:
    """A path of the parts, or nothing where there are none."""
    d = "".join(parts)
    return f'<path class="{css}" d="{d}"/>' if d else ""


def text(css: str, x: float, y: float, content: str) -> str:
    """A line of text; the content is escaped here."""
    where = f'x="{coordinate(x)}" y="{coordinate(y)}"'
    return f'<text class="{css}" {where}>{escape(content)}</text>' if css else f"<text {where}>{escape(content)}</text>"


@lru_cache(maxsize=256)
def shape(name: str, radius: float) -> str:
    """The outline of a mark (a circle, or one of `_SHAPES`), relative to its middle: append it to an "M x y"."""
    if name == "circle":
        r, across = coordinate(radius), coordinate(2 * radius)
        return f"m-{r} 0a{r} {r} 0 1 0 {across} 0a{r} {r} 0 1 0 -{across} 0"
    corners = [(dx * radius, dy * radius) for dx, dy in _SHAPES[name]]
    (x, y), *rest = corners
    steps = [f"m{coordinate(x)} {coordinate(y)}l"]
    for to_x, to_y in rest:
        steps.append(f"{coordinate(to_x - x)} {coordinate(to_y - y)} ")
        x, y = to_x, to_y
    return "".join(steps).replace(" -", "-").rstrip() + "z"
