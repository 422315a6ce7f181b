"""Makes the tables of `dreamclass_intel/xmr/changepoints.py`: what an in-control series reaches once in a hundred.

    .venv/bin/python benchmarks/calibrate_xmr_proposals.py [--series 20000] [--seed 20261123]

The split statistic rests on ranks alone, so its distribution on exchangeable values without ties does not depend on
theirs: uniform random orders are all that is needed. REVIEW is the 99 % point of the largest statistic over all splits
that leave 12 windows on both sides. WATCH is for a look after each new window, over all splits that leave 12 windows
before and 8 after: the 99.9 % point of each look, times the one factor with which 1 % of the series ever pass within
120 windows. A second seed then counts how often they pass. About four minutes on one core.
"""

import argparse

import numpy as np

from dreamclass_intel.xmr.changepoints import HORIZON, MINIMUM, OPENS, normal_scores

REVIEW = (24, 28, 32, 40, 48, 60, 80, 100, 120, 160, 240, 360, 500, 1000)
WATCH = (20, 22, 24, 26, 28, 30, 33, 36, 40, 44, 48, 54, 60, 70, 80, 100, 120)


def largest(orders: np.ndarray, before: int, after: int) -> np.ndarray:
    """The largest split statistic of each row of `orders` (shape [series, n], a permutation of 0..n-1 a row)."""
    n = orders.shape[1]
    scores = normal_scores(np.arange(n, dtype=float))
    k = np.arange(before, n - after + 1)
    sums = np.abs(np.cumsum(scores[orders], axis=1)[:, k - 1])
    return (sums / np.sqrt((scores @ scores) * k * (n - k) / (n * (n - 1.0)))).max(axis=1)


def review(series: int, rng: np.random.Generator) -> dict[int, float]:
    table = {}
    for n in REVIEW:  # in parts, for the sake of memory
        parts = [largest(rng.random((series // 20, n)).argsort(axis=1), MINIMUM, MINIMUM) for _ in range(20)]
        table[n] = float(np.quantile(np.concatenate(parts), 0.99))
    return table


def looks(series: int, rng: np.random.Generator) -> np.ndarray:
    """Largest statistic of each look, shape [series, looks from 20 to 120 windows]."""
    found = []
    for _ in range(20):
        values = rng.random((series // 20, HORIZON))
        lengths = range(MINIMUM + OPENS, HORIZON + 1)
        ranks = (values[:, :n].argsort(axis=1).argsort(axis=1) for n in lengths)
        found.append(np.stack([largest(r, MINIMUM, OPENS) for r in ranks], axis=1))
    return np.concatenate(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=20261123)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    held = review(options.series, rng)
    print("REVIEW", {n: round(v, 3) for n, v in held.items()})
    lengths = np.arange(MINIMUM + OPENS, HORIZON + 1)
    found = looks(options.series, rng)
    shape = np.interp(
        np.log(lengths), np.log(WATCH), np.quantile(found[:, np.searchsorted(lengths, WATCH)], 0.999, axis=0)
    )
    factor = float(np.quantile((found / shape).max(axis=1), 0.991))
    watch = {n: round(float(shape[np.searchsorted(lengths, n)] * factor), 3) for n in WATCH}
    print("WATCH", watch, f"factor {factor:.3f}")
    other = np.random.default_rng(options.seed + 1)
    for n in (40, 60, 120, 240):
        passed = largest(other.random((options.series // 4, n)).argsort(axis=1), MINIMUM, MINIMUM) > held[n]
        print(f"review, {n} windows, other seed: {passed.mean():.4f} pass")
    again = looks(options.series // 4, other)
    print(f"watch, {HORIZON} windows, other seed: {(again > shape * factor).any(axis=1).mean():.4f} pass")


if __name__ == "__main__":
    main()
