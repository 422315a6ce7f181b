"""How well rebaseline proposals find changes of level, on simulated series, and how many they make up.

    .venv/bin/python benchmarks/bench_xmr_proposals.py [--series 2000] [--seed 5] [--lengths 60 120 240] [--only review]

`review`: `propose` on whole series with one change (anywhere from window 24 to 18 before the end) or none. False: share
of series without a change that get a split, with its 95 % interval (Wilson). F1: a split within 3 windows of the change
is a hit; its interval is that of 200 bootstraps over series. `ceiling` is the F1 of somebody who knows that there is
one change, how large, the old level and the scatter, and picks the seven windows that hold it most likely. `cover`: how
often the stated intervals of shift and of start hold the truth (95 % is claimed).

`watch`: windows from the change (at 60) until a proposal is open, and until it is ready, against the Stable Shift
Algorithm (Woodcock et al. 2025, BMJ Quality & Safety, doi 10.1136/bmjqs-2025-019263; own code from its published
description, without its screening of values: period 12, run of 8; with a period of 21 it gives the published starts
0, 52, 73 of autospc example_series_1) asked after every window. False: share of series with a ready proposal (a
new limit period) before the change, that is in 60 windows.
`rebase` is the plug-in for ../shared/tools/arl_bench.py segment --rebase benchmarks.bench_xmr_proposals:rebase.
"""

import argparse
from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np

from dreamclass_intel.xmr import analyse, propose, watch

QUIET = ("normal", "t5", "lognormal(.5)", "poisson(4)", "AR .4", "pulse", "spikes", "season", "drift")
CHANGED = {"1": 1.0, "1.5": 1.5, "2": 2.0, "3": 3.0, "2+spikes": 2.0}
Case = tuple[np.ndarray, list[int], float]  # series, changes, signed shift


def rebase(x: np.ndarray, minimum: int) -> list[int]:
    """Starts of the levels of x, from the ready splits alone."""
    splits = propose(analyse(x), minimum=minimum)
    return [0, *(p.index for p in splits if p.kind == "shift" and p.ready)]


def quiet(kind: str, n: int, rng: np.random.Generator) -> np.ndarray:
    x = rng.normal(size=n)
    if kind == "t5":
        return rng.standard_t(5, n)
    if kind == "lognormal(.5)":
        return rng.lognormal(0, 0.5, n)
    if kind == "poisson(4)":
        return rng.poisson(4, n).astype(float)
    if kind == "AR .4":
        steps = rng.normal(size=n + 50)
        for t in range(1, n + 50):
            steps[t] += 0.4 * steps[t - 1]
        return steps[50:]
    if kind == "pulse":
        at = int(rng.integers(24, n - 24))
        x[at : at + 6] += 2 * rng.choice([-1, 1])
    if kind == "spikes":
        spike(x, max(2, n // 30), rng)
    if kind == "season":
        x += np.sin(2 * np.pi * np.arange(n) / 26)
    if kind == "drift":
        x += 0.04 * np.arange(n)
    return x


def spike(x: np.ndarray, count: int, rng: np.random.Generator) -> None:
    x[rng.choice(np.arange(5, x.size - 5), count, replace=False)] += 6 * rng.choice([-1, 1], count)


def changed(kind: str, n: int, rng: np.random.Generator) -> Case:
    x, at = rng.normal(size=n), int(rng.integers(24, n - 18))
    by = CHANGED[kind] * float(rng.choice([-1, 1]))
    x[at:] += by
    if kind.endswith("spikes"):
        spike(x, 3, rng)
    return x, [at], by


def stairs(step: float, n: int, rng: np.random.Generator) -> Case:
    x = rng.normal(size=n)
    at = [n * k // 4 + int(rng.integers(-4, 5)) for k in (1, 2, 3)]
    for k in at:
        x[k:] += step * rng.choice([-1, 1])
    return x, at, 0.0


def wilson(hits: int, n: int) -> str:
    p, z = hits / n, 1.96
    middle, half = (
        (p + z * z / 2 / n) / (1 + z * z / n),
        z * np.sqrt(p * (1 - p) / n + z * z / 4 / n / n) / (1 + z * z / n),
    )
    return f"{p:.4f} ({max(middle - half, 0):.4f}-{middle + half:.4f})"


def hits(changes: list[int], splits: Iterable[int]) -> int:
    left, found = list(changes), 0
    for split in splits:
        near = [at for at in left if abs(at - split) <= 3]
        if near:
            left.remove(min(near, key=lambda at: abs(at - split)))
            found += 1
    return found


def f1(counts: np.ndarray) -> float:
    hit, splits, changes = counts.sum(axis=0)
    return float(2 * hit / max(splits + changes, 1))


def f1_words(counts: np.ndarray, rng: np.random.Generator) -> str:
    again = [f1(counts[rng.integers(0, len(counts), len(counts))]) for _ in range(200)]
    low, high = np.quantile(again, (0.025, 0.975))
    return f"{f1(counts):.3f} ({low:.3f}-{high:.3f})"


def oracle(case: Case) -> int:
    x, _, by = case
    k = np.arange(24, x.size - 18)
    found = []
    for shift in (by, -by):
        after = np.cumsum((shift * x - shift * shift / 2)[::-1])[::-1]
        found.append(after[k])
    weight = np.exp(np.array(found) - np.max(found)).sum(axis=0)
    return int(k[np.convolve(weight, np.ones(7))[3 : 3 + k.size].argmax()])


def review(n: int, minimum: int, series: int, seed: int) -> None:
    print(f"\nreview, {n} windows, levels of {minimum} and more, {series} series a cell, seed {seed}")
    for kind in QUIET:
        rng = np.random.default_rng([seed, n, QUIET.index(kind)])
        false = trends = 0
        for _ in range(series):
            found = propose(analyse(quiet(kind, n, rng)), minimum=minimum)
            false += any(p.kind == "shift" and p.ready for p in found)
            trends += any(p.kind == "trend" for p in found)
        print(f"  {kind:14} split {wilson(false, series)}   trend {wilson(trends, series)}", flush=True)
    makers: list[tuple[str, Callable[[np.random.Generator], Case]]] = [
        (f"shift {kind}", lambda rng, kind=kind: changed(kind, n, rng))  # type: ignore[misc]
        for kind in CHANGED
    ]
    if n > 60:
        makers += [
            (f"stairs {step:g}", lambda rng, step=step: stairs(step, n, rng))  # type: ignore[misc]
            for step in (1.5, 2.0, 3.0)
        ]
    for number, (name, make) in enumerate(makers):
        rng = np.random.default_rng([seed, n, 100 + number])
        counts, best, cover_shift, cover_start, ready = [], [], 0, 0, 0
        for _ in range(series):
            case = make(rng)
            x, changes, by = case
            splits = [p for p in propose(analyse(x), minimum=minimum) if p.kind == "shift" and p.ready]
            counts.append((hits(changes, [p.index for p in splits]), len(splits), len(changes)))
            if by and "spikes" not in name:
                best.append((hits(changes, [oracle(case)]), 1, 1))
                ready += len(splits) == 1
                cover_shift += len(splits) == 1 and splits[0].low <= by <= splits[0].high
                cover_start += len(splits) == 1 and splits[0].earliest <= changes[0] <= splits[0].latest
        line = f"  {name:14} F1 {f1_words(np.array(counts), rng)}"
        if best:
            line += f"   ceiling {f1(np.array(best)):.3f}"
            line += f"   cover shift {cover_shift / max(ready, 1):.3f} start {cover_start / max(ready, 1):.3f}"
        print(line, flush=True)


def stable_shift(x: np.ndarray, period: int = 12, length: int = 8) -> list[int]:
    """Starts of the limit periods by the Stable Shift Algorithm, on means alone."""

    def runs(start: int, center: float) -> list[tuple[int, int, int]]:
        sides = np.sign(x[start:] - center).astype(int)
        edges = [0, *(np.flatnonzero(np.diff(sides)) + 1).tolist(), sides.size]
        return [(start + a, start + b, int(sides[a])) for a, b in pairwise(edges) if sides[a]]

    starts, open_from = [0], period
    center = float(x[:period].mean())
    while x.size - open_from >= period:
        later = [(max(a, open_from), b, side) for a, b, side in runs(starts[-1], center)]
        run = next(((a, b, side) for a, b, side in later if b - a >= length), None)
        if run is None or x.size - run[0] < period:
            break
        at, _, side = run
        candidate = float(x[at : at + period].mean())
        back = [(a, b) for a, b, s in runs(at, candidate) if s == -side and at < a < at + period]
        if any(b - a >= length or b == x.size for a, b in back):
            open_from = run[1]
            continue
        starts.append(at)
        center, open_from = candidate, at + period
    return starts


def prospective(series: int, seed: int, change: int = 60, n: int = 120) -> None:
    print(f"\nwatch, change at window {change} of {n}, {series} series a cell, seed {seed}; windows until known")
    for name, by in (("none", 0.0), *CHANGED.items()):
        if "spikes" in name:
            continue
        rng = np.random.default_rng([seed, int(by * 10)])
        opened, ready, rival, false, rival_false, in_all = [], [], [], 0, 0, 0
        for _ in range(series):
            x = rng.normal(size=n)
            x[change:] += by
            found = [p for p in watch(analyse(x)) if p.ready]
            false += any(p.known_at < change for p in found)
            in_all += bool(found)
            rival_false += len(stable_shift(x[:change])) > 1
            after = [p for p in found if p.known_at >= change]
            opened.append(after[0].opened_at + 1 - change if after else np.inf)
            ready.append(after[0].known_at + 1 - change if after else np.inf)
            if by:
                stops = range(change + 8, n + 1)
                rival.append(next((s - change for s in stops if stable_shift(x[:s])[-1] > change - 8), np.inf))
        line = f"  {name:5} false in {change}: ours {wilson(false, series)}  SSA {wilson(rival_false, series)}"
        if by:
            for what, delays in (("open", opened), ("ready", ready), ("SSA", rival)):
                share = [np.mean(np.array(delays) <= within) for within in (12, 16, 24)]
                words = "  ".join(f"{within} {part:.2f}" for within, part in zip((12, 16, 24), share, strict=True))
                line += f"\n        {what:5} median {np.median(delays):4.0f}   by {words}"
        else:
            line += f"; in {n}: ours {wilson(in_all, series)}"
        print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--lengths", type=int, nargs="+", default=[60, 120, 240])
    parser.add_argument("--only", choices=["review", "watch"])
    options = parser.parse_args()
    if options.only != "watch":
        for n in options.lengths:
            review(n, 21 if n >= 240 else 12, options.series, options.seed)
    if options.only != "review":
        prospective(options.series, options.seed)


if __name__ == "__main__":
    main()
