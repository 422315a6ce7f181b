"""How long one chart takes: 52 points, and 100,000, against a plain Python loop and the bare arithmetic in
numpy.

    .venv/bin/python benchmarks/bench_xmr.py [--repeats 7] [--json]

All three compute limits and the members of Wheeler's three rules on the same series in the same process,
interleaved, best of the repeats; their answers are compared before anything is timed. `chart` is `analyse`
(checks, events, moving ranges); `numpy` is the arithmetic alone, the floor; `loop` is what a reader of the
definitions would write first. What to look at is the ratio: absolute times depend on who shares the machine.
Labels, notes, verdict and drawing are not part of it (bench_xmr_svg.py); many series: bench_xmr_speed.py.
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from dreamclass_intel.xmr import Chart, analyse

Answer = tuple[float, float, set[int], set[int], set[int]]


def loop(values: list[float]) -> Answer:
    n = len(values)
    center = sum(values) / n
    mr = sum(abs(values[i] - values[i - 1]) for i in range(1, n)) / (n - 1)
    outside, run, zone = set(), set(), set()
    for i, v in enumerate(values):
        if abs(v - center) > 2.66 * mr:
            outside.add(i)
        if i >= 7:
            window = values[i - 7 : i + 1]
            if all(w > center for w in window) or all(w < center for w in window):
                run.update(range(i - 7, i + 1))
        if i >= 3:
            for sign in (1, -1):
                beyond = [k for k in range(i - 3, i + 1) if sign * (values[k] - center) > 1.33 * mr]
                if len(beyond) >= 3:
                    zone.update(beyond)
    return center, mr, outside, run, zone


def bare(x: np.ndarray) -> tuple[np.ndarray, ...]:
    center, mr = x.mean(), np.abs(np.diff(x)).mean()
    found = [np.abs(x - center) > 2.66 * mr]
    for length, needed, line in ((8, 8, 0.0), (4, 3, 1.33 * mr)):
        flag = np.zeros(x.size, dtype=bool)
        for side in (x > center + line, x < center - line):
            count = np.cumsum(np.r_[0, side])
            ends = (count[length:] - count[:-length] >= needed).astype(np.int8)
            flag |= (np.convolve(ends, np.ones(length, dtype=np.int8)) > 0) & side
        found.append(flag)
    return np.array([center, mr]), *found


def answer(chart: Chart) -> Answer:
    limits = chart.limits
    assert limits is not None
    sets = [
        {m for s in chart.signals if s.rule == rule for m in s.members}
        for rule in ("outside_limits", "run_of_8", "3_of_4")
    ]
    return limits.center, limits.mr_bar, sets[0], sets[1], sets[2]


def best(work: list[Callable[[], object]], repeats: int) -> list[float]:
    times = [float("inf")] * len(work)
    for _ in range(repeats):
        for k, function in enumerate(work):
            start = time.perf_counter()
            function()
            times[k] = min(times[k], time.perf_counter() - start)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    results = {}
    for n in (52, 100_000):
        x = np.random.default_rng(20260101).normal(100.0, 10.0, n)
        values = x.tolist()
        chart, expected = answer(analyse(x)), loop(values)
        assert np.allclose(chart[:2], expected[:2], rtol=1e-12)
        assert chart[2:] == expected[2:]
        assert [set(np.flatnonzero(f)) for f in bare(x)[1:]] == list(expected[2:])
        work: list[Callable[[], object]] = [
            lambda x=x: analyse(x).signals,  # type: ignore[misc]
            lambda x=x: bare(x),  # type: ignore[misc]
            lambda values=values: loop(values),  # type: ignore[misc]
        ]
        chart_s, bare_s, loop_s = best(work, options.repeats * (200 if n < 1000 else 1))
        results[str(n)] = {
            "signals": len(analyse(x).signals),
            "chart_ms": chart_s * 1e3,
            "numpy_ms": bare_s * 1e3,
            "loop_ms": loop_s * 1e3,
            "loop_over_chart": loop_s / chart_s,
        }
    if options.json:
        print(json.dumps(results))
        return
    for name, figures in results.items():
        print(f"{name:>8}  " + "  ".join(f"{key} {value:.4g}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
