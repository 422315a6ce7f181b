"""The judged points of one segment and the steps between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dreamclass_intel.xmr.limits import FloatArray, IntArray


@dataclass(frozen=True)
class Stretch:
    """The judged points of one segment: `x` and `positions`, both of shape [m]. With `bridge` a missing window
    between two points is stepped over.
    """

    x: FloatArray
    positions: IntArray
    bridge: bool = False

    @cached_property
    def ranges(self) -> FloatArray:
        """Moving ranges, shape [m]: |x - previous x|, NaN at the first point and after a missing window."""
        out = moving_ranges(self.x, np.empty_like(self.x))
        if not self.bridge:
            out[1:][self.positions[1:] - self.positions[:-1] > 1] = np.nan
        return out


def moving_ranges(x: FloatArray, out: FloatArray) -> FloatArray:
    """|x - previous x| into `out` (shape [m]), NaN at the first point and wherever one of the two is missing."""
    out[:1] = np.nan
    np.subtract(x[1:], x[:-1], out=out[1:])
    return np.abs(out, out=out)
