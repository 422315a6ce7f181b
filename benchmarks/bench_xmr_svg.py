"""How large 36 charts are, and how long they take to draw: a page of the report.

    .venv/bin/python benchmarks/bench_xmr_svg.py [--windows 60] [--repeats 15] [--json]

`standalone` is a file each (style sheet and a tooltip a window), `page` is one page (the style sheet once, tooltips
where there is something to say), `tables` the tables of all figures that go with it. `floor` is what no writer goes
below: formatting the same coordinates, one by one, and joining them to as many bytes. All run in the same process,
interleaved, best of the repeats. What to look at is the bytes and the ratio; absolute times depend on who shares the
machine. The charts are made beforehand (bench_xmr.py times that), with signals, dividers, gaps and incomplete windows.
"""

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from dreamclass_intel.xmr import STYLE, TABLE_STYLE, Baseline, Chart, analyse, render_svg, render_table

CHARTS = 36


def charts(windows: int) -> list[Chart]:
    rng = np.random.default_rng(20260101)
    made = []
    for k in range(CHARTS):
        x = rng.normal(100.0, 10.0, windows)
        x[windows // 2 :] += k % 4 * 6
        if k % 5 == 0:
            x[windows // 4] = np.nan
        chart = analyse(
            x,
            labels=[f"2025-W{i + 1:02d}" for i in range(windows)],
            dividers=[windows // 2] if k % 3 == 0 else [],
            baseline=Baseline(count=12) if k % 2 else None,
            incomplete=[windows - 1] if k % 2 else [],
        )
        assert chart.verdict
        made.append(chart)
    return made


def floor(numbers: list[list[float]], size: int) -> str:
    """Every coordinate a drawing cannot do without, once, and as many bytes of markup."""
    parts = ["".join([f"{x:.1f} {y:.1f}" for x, y in zip(row, row, strict=True)]) for row in numbers]
    body = "".join(parts)
    return body + " " * max(size - len(body), 0)


def best(work: dict[str, Callable[[], str]], repeats: int) -> dict[str, float]:
    times = dict.fromkeys(work, float("inf"))
    for _ in range(repeats):
        for name, function in work.items():
            start = time.perf_counter()
            function()
            times[name] = min(times[name], time.perf_counter() - start)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--windows", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    made = charts(options.windows)

    def standalone() -> str:
        return "".join(render_svg(chart, title="Sessions", good="up") for chart in made)

    def page() -> str:
        drawn = [render_svg(chart, title="Sessions", good="up", standalone=False) for chart in made]
        return "".join([f"<style>{STYLE}{TABLE_STYLE}</style>", *drawn])

    def tables() -> str:
        return "".join(render_table(chart, title="Sessions", good="up") for chart in made)

    assert standalone() == standalone()
    numbers = [row.tolist() for chart in made for row in (chart.values, chart.moving_ranges)]
    work: dict[str, Callable[[], str]] = {"standalone": standalone, "page": page, "tables": tables}
    sizes = {name: len(function().encode()) for name, function in work.items()}
    times = best({**work, "floor": lambda: floor(numbers, sizes["page"])}, options.repeats)
    results = {
        name: {"kb": sizes[name] / 1e3, "ms": times[name] * 1e3, "over_floor": times[name] / times["floor"]}
        for name in work
    } | {"floor": {"ms": times["floor"] * 1e3}}
    if options.json:
        print(json.dumps(results))
        return
    for name, figures in results.items():
        print(f"{name:>10}  " + "  ".join(f"{key} {value:.4g}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
