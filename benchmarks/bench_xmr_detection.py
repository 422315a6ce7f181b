"""How often the quiet presets signal without a change, and how soon with one; the false-discovery budget.

    .venv/bin/python benchmarks/bench_xmr_detection.py [phase2] [phase1] [discovery] [kinds]
        [--series 8000] [--seeds 11,21] [--tool ../shared/tools/arl_bench.py]

The other detectors and the noises are those of arl_bench.py, the project's yardstick; that tool runs ours itself
with `--plugin benchmarks.bench_xmr_detection:quiet` from the repository's root. Every figure stands with its 95 %
interval (Wilson). `--series` counts each cell; below 2,000 only for a look.

phase2     limits of m points, held: share of unchanged series with a signal within 26 windows; share of shifted
           series found within 8, for a shift that is there when the limits lock, and for one that comes ten
           windows later (among the series that were silent until then).
phase1     limits of all points: share of unchanged series with a signal, also on noise that is not normal,
           correlated or seasonal; and the same with a held baseline of 26.
discovery  10,000 series, a tenth shifted by 2 sigma: share of false ones among those named, and how many of the
           shifted are named in the first four windows, beside the rules without a budget.
kinds      by kind of chart, and with a trend: share of unchanged series with a signal in the 26 windows after a held
           baseline of 26 (a quarter of `--series`; needs no tool).

What else was tried. Detection at m = 26, found by 8 at 1 sigma for a shift at once / ten windows later, each set to
.10 false in 26, standard deviation of the baseline, without limits or with one at 4 sigma: CUSUM k .5 without head
start .38 / .44, head start half of h .59 / .30; EWMA .2 .42 / .44, EWMA .1 with limits that widen from the start
.54 / .31; GLR over all tails with the two-sample variance .33 / .35; a CUSUM that integrates the baseline's error
(1/n + 1/m) .41 / .43, with head start .54 / .38; the Shiryaev-Roberts sum over change points .34 / .45, with head
start .48 / .41, and with the variance pooled over the monitored windows .48 / .45 (the best of all, at O(T^2));
baselines that go on learning .30 / .50. Sigma by mR-bar, by mean |difference| over lags 1 to 4, or the larger of
mR-bar and SD: a few points worse at the same budget.

Statistic of the budget, shift nine windows after the lock, Benjamini and Hochberg at .05, named in the fourth
window: mean of four .71 (.70 with the baseline's variance alone); Cauchy combination of 1, 2, 4 and 8 windows .56,
of 3, 4, 6 and 8 .60, with six tenths of the weight on four .66; weighted Bonferroni .64. With a threshold set to 5
% false in that window: largest t over tails of one to four windows .58, largest log likelihood ratio for 2 and 1.5
sigma .63 and .67, for a normal prior .64. e-values (e-BH) would make the union safe at any stopping time, but need
e > 300 here, and a 2 sigma shift reaches about 100 in four windows (computed, not run).
"""

import argparse
import importlib.util
import math
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from dreamclass_intel.xmr import Baseline, analyse
from dreamclass_intel.xmr.discovery import common_autocorrelation, discoveries, shift_p_values
from dreamclass_intel.xmr.quiet import shifts, widening

Detector = Callable[..., np.ndarray]
SIGMA, NPL = 1.128, 2.660
TOOL = Path(__file__).resolve().parents[2] / "shared" / "tools" / "arl_bench.py"
WHEELER = "wheeler 1,2,3 (X only)"
OTHERS = {
    WHEELER: "Wheeler X",
    "wheeler 1,2,3 + mR>URL": "Wheeler + mR",
    "NHS (NHSRplotthedots)": "NHS",
    "CUSUM k=.5 h=5": "CUSUM .5 h 5",
    "EWMA .2 L=2.86": "EWMA .2 L 2.86",
}


def detect(x: np.ndarray, baseline: int | None, known: tuple[float, float] | None, preset: str) -> np.ndarray:
    """True where a signal becomes known; arl_bench's contract for detectors. Shape [series, time]."""
    n, times = x.shape
    base = np.zeros(x.shape, dtype=bool)
    if known is not None:
        center, sigma, points = np.full((n, 1), known[0]), np.full((n, 1), known[1]), 0
    else:
        points = times if baseline is None else baseline
        base[:, :points] = True
        center = x[:, :points].mean(axis=1, keepdims=True)
        sigma = np.abs(np.diff(x[:, :points], axis=1)).mean(axis=1, keepdims=True) / SIGMA
    width = NPL * SIGMA * sigma * float(widening(np.array(points)))
    flags = np.abs(x - center) > width
    if known is not None or baseline is not None:
        flags[base] = False  # the tool asks only for what follows the baseline
    _, found = shifts(
        x,
        center,
        sigma,
        base=base,
        points=np.full(n, points),
        locked=np.full(n, known is not None or baseline is not None),
        preset=preset,
    )
    flags[found.series, found.known] = True
    return flags


def quiet(x: np.ndarray, baseline: int | None = None, known: tuple[float, float] | None = None) -> np.ndarray:
    return detect(x, baseline, known, "quiet")


def quiet_even(x: np.ndarray, baseline: int | None = None, known: tuple[float, float] | None = None) -> np.ndarray:
    return detect(x, baseline, known, "quiet_even")


def share(hits: int, of: int) -> str:
    """Per cent with the 95 % interval of Wilson."""
    if not of:
        return "-"
    p, z = hits / of, 1.96
    middle, half = p + z * z / (2 * of), z * math.sqrt(p * (1 - p) / of + z * z / (4 * of * of))
    low, high = (middle - half) / (1 + z * z / of), (middle + half) / (1 + z * z / of)
    return f"{p:.3f} [{low:.3f} {high:.3f}]"


def detectors(tool: ModuleType) -> dict[str, Detector]:
    return {"quiet": quiet, "quiet_even": quiet_even} | {short: tool.DET[name] for name, short in OTHERS.items()}


def phase2(tool: ModuleType, series: int, seeds: list[int]) -> None:
    each = -(-series // len(seeds))
    for m in (12, 26, 52):
        print(f"\nbaseline {m}, held")
        for name, f in detectors(tool).items():
            cells = []
            for shift, delay, within in (
                (0, 0, 26),
                (1, 0, 8),
                (1.5, 0, 8),
                (2, 0, 8),
                (1, 10, 8),
                (1.5, 10, 8),
                (2, 10, 8),
            ):
                hits = of = 0
                for seed in seeds:
                    x = np.random.default_rng(seed).normal(0, 1, (each, m + 26))
                    x[:, m + delay :] += shift
                    flags = np.asarray(f(x, m, None))[:, m:]
                    silent = ~flags[:, :delay].any(axis=1)
                    hits += int(flags[silent, delay : delay + within].any(axis=1).sum())
                    of += int(silent.sum())
                cells.append(share(hits, of))
            print(f"  {name:<15} false in 26 {cells[0]} | by 8 at 1/1.5/2 sigma {' / '.join(cells[1:4])}", flush=True)
            print(f"  {'':<15} {'':>28} | ten windows later        {' / '.join(cells[4:])}", flush=True)


ONE_FACTOR = "normal, 30 % common to all series"
NOISES = ("normal", "t5", "lognormal(.5)", "poisson(2)", "ar.2", "ar.4", "season26 amp1", "drift .03")


def phase1(tool: ModuleType, series: int, seeds: list[int]) -> None:
    each = -(-series // len(seeds))
    names = ("quiet", "quiet_even", "Wheeler X", "Wheeler + mR", "NHS")
    for title, windows, baseline in (
        ("26 points, own limits", 26, None),
        ("52 points, own limits", 52, None),
        ("26 held, 26 follow", 52, 26),
    ):
        print(f"\n{title}: share of series with a signal")
        for kind in NOISES:
            cells = []
            for name in names:
                hits = 0
                for seed in seeds:
                    x = tool.noise(kind, np.random.default_rng(seed), each, windows)
                    flags = np.asarray(detectors(tool)[name](x, baseline, None))
                    hits += int(flags[:, baseline or 0 :].any(axis=1).sum())
                cells.append(f"{name} {share(hits, each * len(seeds))}")
            print(f"  {kind:<14} {'  '.join(cells)}", flush=True)


def discovery(tool: ModuleType, seeds: list[int], count: int = 10_000, m: int = 26) -> None:
    changed = count // 10
    for kind, delay in (
        ("normal", 0),
        ("normal", 9),
        (ONE_FACTOR, 9),
        ("t5", 9),
        ("lognormal(.5)", 9),
        ("ar.2", 9),
        ("ar.4", 9),
    ):
        lists: dict[str, list[tuple[float, ...]]] = {}
        for seed in seeds:
            x = noise(tool, kind, seed, count, m + delay + 4)
            x[:changed, m + delay :] += 2
            base = np.zeros(x.shape, dtype=bool)
            base[:, :m] = True
            new = slice(m + delay, m + delay + 4)
            budget = discoveries(shift_p_values(x, base))
            common = common_autocorrelation(x, base)
            corrected = discoveries(shift_p_values(x, base, autocorrelation=common))
            proven = discoveries(shift_p_values(x, base), level=0.0125)
            rules = np.asarray(tool.DET[WHEELER](x, m, None))
            rows = {
                "Wheeler X, no budget": rules,
                "quiet, no budget": quiet(x, m),
                "budget": budget,
                "budget, Wheeler signals kept": budget & rules[:, new].any(axis=1)[:, None],
                "level 1.25 %: 5 % for the union, proven": proven,
                "budget, common autocorrelation taken off": corrected,
            }
            for name, flags in rows.items():
                union, last = flags[:, new].any(axis=1), flags[:, new.stop - 1]
                lists.setdefault(name, []).append(
                    (union[:changed].mean(), _false(union, changed), last[:changed].mean(), _false(last, changed))
                )
        print(f"\n{kind}, shift {delay} windows after the limits lock; {len(seeds)} x {count} series, a tenth shifted")
        for name, found in lists.items():
            mean = np.mean(found, axis=0)
            spread = (
                1.96 * np.std(found, axis=0, ddof=1) / math.sqrt(len(found)) if len(found) > 1 else np.full(4, math.nan)
            )
            words = ("found in 4", "false of all named in 4", "found at the 4th", "false at the 4th")
            print(
                f"  {name:<42}" + "  ".join(f"{w} {a:.3f}±{b:.3f}" for w, a, b in zip(words, mean, spread, strict=True))
            )


def noise(tool: ModuleType, kind: str, seed: int, n: int, times: int) -> np.ndarray:
    """Unchanged series of unit variance, shape [n, times]."""
    rng = np.random.default_rng(seed)
    if kind == ONE_FACTOR:
        return np.sqrt(0.7) * rng.normal(size=(n, times)) + np.sqrt(0.3) * rng.normal(size=times)
    return tool.noise(kind, rng, n, times) / tool.noise(kind, np.random.default_rng(1), 2000, 200).std()


def _false(named: np.ndarray, changed: int) -> float:
    return float(named[changed:].sum() / max(named.sum(), 1))


def kinds(series: int, seed: int) -> None:
    def shares(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        sizes = rng.integers(80, 121, 52)
        return rng.binomial(sizes, 0.3) / sizes, sizes

    draws: dict[str, tuple[Callable[[np.random.Generator], Any], dict[str, Any]]] = {
        "xmr": (lambda rng: (rng.normal(size=52), None), {}),
        "xmr, trend": (lambda rng: (rng.normal(size=52), None), {"trend": True}),
        "i_prime": (shares, {"chart": "i_prime"}),
        "p_prime": (shares, {"chart": "p_prime"}),
        "p": (shares, {"chart": "p"}),
        "t": (lambda rng: (rng.exponential(size=52), None), {"chart": "t"}),
        "g": (lambda rng: (rng.geometric(0.05, 52) - 1.0, None), {"chart": "g"}),
    }
    print(f"\n26 held, 26 follow, by kind: share of {series} series with a signal")
    for name, (draw, given) in draws.items():
        cells = []
        for preset in ("wheeler", "quiet", "quiet_even"):
            rng, hits = np.random.default_rng(seed), 0
            for _ in range(series):
                x, sizes = draw(rng)
                chart = analyse(x, denominators=sizes, baseline=Baseline(count=26), preset=preset, **given)
                hits += any(signal.known_at >= 26 for signal in chart.signals)
            cells.append(f"{preset} {share(hits, series)}")
        print(f"  {name:<12} {'  '.join(cells)}", flush=True)


def load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("arl_bench", path)
    assert spec is not None
    assert spec.loader is not None
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    return tool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", help="phase2, phase1, discovery, kinds; all where none is named")
    parser.add_argument("--series", type=int, default=8000)
    parser.add_argument("--seeds", default="11,21,31,41,51,61,71,81,91,101")
    parser.add_argument("--tool", type=Path, default=TOOL)
    options = parser.parse_args()
    seeds = [int(s) for s in options.seeds.split(",")]
    parts: dict[str, Callable[[], None]] = {
        "phase2": lambda: phase2(load(options.tool), options.series, seeds),
        "phase1": lambda: phase1(load(options.tool), options.series, seeds),
        "discovery": lambda: discovery(load(options.tool), seeds),
        "kinds": lambda: kinds(options.series // 4, seeds[0]),
    }
    for what in options.what or parts:
        if what not in parts:
            parser.error(f"{what!r} is none of {', '.join(parts)}")
        parts[what]()


if __name__ == "__main__":
    main()
