"""Make the tables of `dreamclass_intel/xmr/quiet.py`: how far the limits and the CUSUM's decision interval must
stand for a baseline of m points.

    .venv/bin/python benchmarks/calibrate_quiet.py [--series 100000]

Prints the tables as Python. Normal, independent values; fixed seeds; about two minutes. Steps:

1. `WIDTHS`: the factor L on mR-bar for which a new value lies outside centre +- L mR-bar once in 1,000 windows,
   averaged over what the baseline's own mean and mR-bar may have been. The tail of the new value is taken from
   the normal law, not simulated, so that the figure has little noise.
2. `Design.held`: given these limits, the interval h (in baseline SD) for which limits and CUSUM together raise a
   signal on the design's share of series within 26 windows after a baseline of m points.
3. `OWN`: the interval for which the CUSUM does so on one series in 20 over the very points that made the limits.

Method: the run length of charts with estimated parameters, averaged over the estimates (Quesenberry, Journal of
Quality Technology 25 (1993) 237-247; Jones, Champ and Rigdon, same journal 36 (2004) 95-108); by simulation,
because the limits rest on moving ranges and the CUSUM on the standard deviation of the same points.
"""

import argparse
import math

import numpy as np

from dreamclass_intel.xmr.quiet import DESIGNS, REFERENCE

WINDOW_RISK = 0.001
D2 = 2 / math.sqrt(math.pi)
HELD = (6, 8, 10, 12, 16, 20, 26, 36, 52, 78, 104, 156, 260, 520, math.inf)
POINTS = (2, 3, 4, 5, *HELD)
WINDOWS, OWN_RISK = 26, 0.05
_erfc = np.vectorize(math.erfc)


def baselines(m: float, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, mR-bar and standard deviation of n baselines of m points, each of shape [n]."""
    if math.isinf(m):
        return np.zeros(n), np.full(n, D2), np.ones(n)
    parts = []
    for size in np.diff(np.unique(np.r_[np.arange(0, n, 20_000), n])):
        x = rng.normal(size=(size, int(m)))
        parts.append((x.mean(1), np.abs(np.diff(x, axis=1)).mean(1), x.std(1, ddof=1)))
    mean, mr, sd = (np.concatenate(part) for part in zip(*parts, strict=True))
    return mean, mr, sd


def root(excess, low: float, high: float, steps: int = 24) -> float:  # type: ignore[no-untyped-def]
    """Where the falling function `excess` crosses zero, by bisection."""
    for _ in range(steps):
        middle = (low + high) / 2
        low, high = (middle, high) if excess(middle) > 0 else (low, middle)
    return high


def width(m: float, n: int) -> float:
    if m == 2:  # |x - c| / mR is sqrt(3)/2 |t| with one degree of freedom: exact
        return math.sqrt(3) / 2 * math.tan(math.pi / 2 * (1 - WINDOW_RISK))
    c, mr, _ = baselines(m, n if m < math.inf else 1, np.random.default_rng([20261123, int(min(m, 9999))]))

    def excess(factor: float) -> float:
        tails = _erfc((factor * mr + c) / math.sqrt(2)) + _erfc((factor * mr - c) / math.sqrt(2))
        return float(tails.mean() / 2 - WINDOW_RISK)

    return root(excess, 1.0, 200.0, 30)


def alarms(z: np.ndarray, h: float, head: float) -> np.ndarray:
    """Which rows of z [n, T] ever have a sum above h."""
    upper, lower = np.full(len(z), head * h), np.full(len(z), head * h)
    out = np.zeros(len(z), dtype=bool)
    for t in range(z.shape[1]):
        upper = np.maximum(0, upper + z[:, t] - REFERENCE)
        lower = np.maximum(0, lower - z[:, t] - REFERENCE)
        out |= (upper > h) | (lower > h)
    return out


def held(m: float, factor: float, share: float, head: float, n: int) -> float:
    rng = np.random.default_rng([7, int(min(m, 9999))])
    c, mr, sd = baselines(m, n, rng)
    x = rng.normal(size=(n, WINDOWS)) - c[:, None]
    outside = (np.abs(x) > factor * mr[:, None]).any(1)
    z = x / sd[:, None]
    return root(lambda h: float((outside | alarms(z, h, head)).mean()) - share, 1.0, 60.0, 18)


def own(m: int, n: int) -> float:
    x = np.random.default_rng([8, m]).normal(size=(min(n, 16_000_000 // m), m))
    x -= x.mean(1, keepdims=True)
    z = x / x.std(1, ddof=1, keepdims=True)
    return root(lambda h: float(alarms(z, h, 0.0).mean()) - OWN_RISK, 0.5, 30.0, 16)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=100_000)
    n = parser.parse_args().series
    widths = {m: width(m, n) for m in POINTS}
    print("WIDTHS", {m: round(v, 3) for m, v in widths.items()}, flush=True)
    for name, design in DESIGNS.items():
        table = {m: round(held(m, widths[m], design.share, design.head, n), 3) for m in HELD}
        print(name, table, flush=True)
    print("OWN", {m: round(own(int(m), n), 3) for m in HELD if m < math.inf}, flush=True)


if __name__ == "__main__":
    main()
