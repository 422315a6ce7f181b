"""How long the charts of one and of many series take, as ratios to `numpy_light` in the same process.

    .venv/bin/python benchmarks/bench_xmr_speed.py [--tool ../shared/tools/bench_xmr.py] [--rounds 3] [--peers PYTHON]

`numpy_light` is the bare arithmetic of limits and the flags of Wheeler's three rules, without gaps, round-off,
events or checks. Ours (`chart_many`, and `analyse` for one series) does all of that and makes the table of events
with the strength of each. The tool runs both interleaved on the same data (`--plugin`, see its docstring) and
counts flags that differ; the series with gaps and ragged baselines are timed here, against `numpy_light` on the
same series without gaps. `--peers` names a Python that has pccpy (the fastest peer with run rules in the shared
table, 3.4 s for 10,000 x 60 there) and runs it in the same way. Only ratios mean something: the machine is shared,
and every round is a process of its own. Exits with 1 if a flag differs or a ratio misses its goal.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from dreamclass_intel.xmr import analyse, append, chart_many

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("rule1", "rule2", "rule3")
# (case, engine): the most it may take in units of numpy_light
GOALS = {("10kx60", "batch"): 2.1, ("52", "one"): 2.5, ("100k", "batch"): 1.5, ("ragged", "batch"): 5.0}
PEER_GOAL = 300  # times faster than the fastest peer with rules


def batch(x: np.ndarray) -> dict[str, np.ndarray]:
    """Many series, as the tool asks for it."""
    many = chart_many(x)
    limits = many.limits
    found = {"center": limits.center, "unpl": limits.unpl, "lnpl": limits.lnpl, "url": limits.url}
    return found | dict(zip(NAMES, many.flags.values(), strict=True))


def one(x: np.ndarray) -> tuple[float, float, float]:
    """One series: the chart with its signals as objects."""
    chart = analyse(x)
    assert chart.limits is not None
    _ = chart.signals
    return chart.limits.center, chart.limits.unpl, chart.limits.lnpl


def run_tool(tool: Path, python: str, *arguments: str) -> list[dict[str, Any]]:
    """The tool's rows."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "rows.json"
        command = [python, str(tool), "--json", str(out), *arguments]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return list(json.loads(out.read_text())["rows"])


def ragged(tool: Path, repeats: int) -> float:
    """10,000 x 60 with 5 % missing windows and a baseline of its own length for each series, in units of the
    reference on the same series without gaps.
    """
    spec = importlib.util.spec_from_file_location("bench_xmr_tool", tool)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rng = np.random.default_rng(7)
    whole = np.round(rng.normal(100, 10, (10_000, 60)), 3)
    holes = np.where(rng.random(whole.shape) < 0.05, np.nan, whole)
    counts = rng.integers(12, 50, len(whole))
    times: list[list[float]] = [[], []]
    for _ in range(repeats):
        for k, work in enumerate((lambda: module.numpy_light(whole), lambda: chart_many(holes, baseline=counts))):
            start = time.perf_counter()
            result = work()
            times[k].append(time.perf_counter() - start)
            del result
    return min(times[1]) / min(times[0])


def appended(repeats: int) -> tuple[float, float]:
    """Milliseconds for one more window of 10,000 locked series: by `append`, and from scratch."""
    x = np.random.default_rng(7).normal(100, 10, (10_000, 60 + repeats))
    many = chart_many(x[:, :60], baseline=24)
    times = []
    for t in range(60, 60 + repeats):
        start = time.perf_counter()
        append(many, x[:, t])
        times.append(time.perf_counter() - start)
    start = time.perf_counter()
    again = chart_many(x, baseline=24)
    scratch = time.perf_counter() - start
    assert (again.marks == many.marks).all()
    assert (again.events["known_at"] == many.events["known_at"]).all()
    return min(times) * 1e3, scratch * 1e3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tool", type=Path, default=ROOT.parent / "shared" / "tools" / "bench_xmr.py")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peers", help="a Python with numpy and pccpy")
    options = parser.parse_args()
    if not options.tool.exists():
        sys.exit(f"no such tool: {options.tool}")
    us = "benchmarks.bench_xmr_speed"
    ratios: dict[tuple[str, str], list[float]] = {}
    seconds: dict[tuple[str, str], list[float]] = {}
    mismatches = 0
    for _ in range(options.rounds):
        plugins = ["--plugin", f"{us}:batch", "--plugin", f"{us}:one:one"]
        rows = run_tool(options.tool, sys.executable, "--only", "numpy_light", "--budget", "1.5", *plugins)
        reference = {row["case"]: row["seconds"] for row in rows if row["engine"] == "numpy_light"}
        for row in rows:
            if "error" in row:
                sys.exit(f"{row['case']} {row['engine']}: {row['error']}")
            engine = row["engine"].split(":")[1] if ":" in row["engine"] else row["engine"]
            mismatches += sum(row.get(f"{name}_mismatch", 0) for name in NAMES)
            key = (row["case"], engine)
            ratios.setdefault(key, []).append(row["seconds"] / reference[row["case"]])
            seconds.setdefault(key, []).append(row["seconds"])
        ratios.setdefault(("ragged", "batch"), []).append(ragged(options.tool, 15))
    missed = []
    for (case, engine), found in sorted(ratios.items()):
        goal = GOALS.get((case, engine))
        middle = float(np.median(found))
        took = f"{min(seconds[case, engine]) * 1e3:10.3f} ms" if (case, engine) in seconds else " " * 13
        aim = f"goal {goal}" if goal else ""
        rounds = ", ".join(f"{r:.2f}" for r in found)
        print(f"{case:>7} {engine:<12} {took}  {middle:6.2f} x numpy_light  ({rounds})  {aim}")
        if goal and middle > goal:
            missed.append(f"{case} {engine} {middle:.2f} > {goal}")
    print(f"flags that differ from numpy_light: {mismatches}")
    quick, scratch = appended(20)
    print(f"one more window of 10,000 locked series: append {quick:.2f} ms, from scratch {scratch:.2f} ms")
    if options.peers:
        rows = run_tool(options.tool, options.peers, "--only", "numpy_light,pccpy", "--cases", "10kx60")
        peer = {row["engine"]: row["seconds"] for row in rows}
        light = peer["pccpy"] / peer["numpy_light"]
        times = light / float(np.median(ratios["10kx60", "batch"]))
        print(f"pccpy: {peer['pccpy']:.2f} s, {light:.0f} x numpy_light, {times:.0f} x ours (goal {PEER_GOAL})")
        if times <= PEER_GOAL:
            missed.append(f"pccpy {times:.0f} <= {PEER_GOAL}")
    if missed:
        print("missed: " + "; ".join(missed))
    return int(bool(missed) or mismatches > 0)


if __name__ == "__main__":
    sys.exit(main())
