"""Page's two-sided CUSUM over many series at once, as events.

    S+(t) = max(0, S+(t-1) + z(t) - k),   S-(t) = max(0, S-(t-1) - z(t) - k),   a signal where S > h.

Source: Page, Continuous inspection schemes, Biometrika 41 (1954), 100-115; the head start: Lucas and Crosier,
Fast initial response for CUSUM quality-control schemes, Technometrics 24 (1982), 199-205. Not here: what z, k,
h and the head start are (quiet.py).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from dreamclass_intel.xmr.limits import BoolArray, FloatArray, IntArray

# How far above the decision interval a sum may climb. Without a ceiling a long shift would take as long to forget
# as it lasted; a lower one would end events in mid-shift (docs/xmr.md, section 7).
HEADROOM = 4.0


class Shifts(NamedTuple):
    """The signals of a CUSUM, one entry each, all of shape [events].

    `side` is 0 for above and 1 for below, `series` the row. `start` is the estimated change point: the first
    window after the sum was last zero (Page 1954). `known` is where the sum first exceeded the decision interval,
    `end` the last judged window at which it still did.
    """

    side: IntArray
    series: IntArray
    start: IntArray
    known: IntArray
    end: IntArray


def sums(z: FloatArray, *, reference: float, interval: FloatArray, head: FloatArray) -> tuple[FloatArray, Shifts]:
    """Both sums after every window, shape [2, series, time] (upper first), and their signals.

    z: shape [series, time], standardised; NaN is a window without evidence: the sums stay as they are.
    reference: k, half the shift that is looked for, in sigma.
    interval, head: shape [series], h and the first value of both sums.
    A sum is held at `HEADROOM` above its interval. When it falls back to the interval the event is over and the
    sum starts anew at zero. Raises ValueError for shapes that do not fit and for a head start above its interval.
    """
    if z.ndim != 2 or interval.shape != z.shape[:1] or head.shape != z.shape[:1]:
        raise ValueError(f"z {z.shape} needs interval and head of shape {z.shape[:1]}")
    if np.any(head > interval):
        raise ValueError("a head start above the decision interval is a signal before the first window")
    n, times = z.shape
    out = np.empty((2, n, times))
    alive = np.zeros((2, n, times), dtype=np.bool_)
    since = np.zeros((2, n), dtype=np.int64)
    starts = np.empty((2, n, times), dtype=np.int64)
    seen = ~np.isnan(z)
    steps = np.where(seen, z, 0.0)
    s, open_ = np.tile(head, (2, 1)), np.zeros((2, n), dtype=np.bool_)
    ceiling = interval + HEADROOM
    for t in range(times):
        here = seen[:, t]
        s[0] += steps[:, t]
        s[1] -= steps[:, t]
        s -= np.where(here, reference, 0.0)
        np.maximum(s, 0.0, out=s)
        over = s > interval
        np.minimum(s, ceiling, out=s)
        out[:, :, t], alive[:, :, t], starts[:, :, t] = s, over, since
        s[open_ & ~over] = 0.0
        open_ = over
        since[(s == 0) | (~here & (since == t))] = t + 1
    return out, _events(alive, starts, seen)


def _events(alive: BoolArray, starts: IntArray, seen: BoolArray) -> Shifts:
    """Unbroken stretches of `alive` (shape [2, series, time]) as signals."""
    edges = np.diff(np.pad(alive, ((0, 0), (0, 0), (1, 1))).astype(np.int8), axis=2)
    side, series, known = np.nonzero(edges > 0)
    stop = np.nonzero(edges < 0)[2]
    newest = np.maximum.accumulate(np.where(seen, np.arange(seen.shape[1]), 0), axis=1)  # judged window so far
    return Shifts(side, series, starts[side, series, known], known, newest[series, stop - 1])
