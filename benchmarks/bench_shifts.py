"""How well the charts find what the sandbox planted: delay a shift, false signals a metric.

    .venv/bin/python benchmarks/bench_shifts.py [--state .state] [--within 8]

Reads the verdicts as they were published, partition by partition (`xmr.points`), and the planted truth, which
only tests and benches may see. A signal is false when no planted shift of its metric (or a stated consequence)
was under way or had ended within the last 8 periods. Exit code 1 if fewer than 5 of the first 6 shifts are found.
"""

import argparse
import datetime as dt
import json
import sys
from pathlib import Path

import duckdb

# Which charts a planted shift must or may move: its own, then plain consequences.
MOVES = {
    "A": (["activation_rate"], []),
    "B": (["sessions"], ["signup_rate"]),
    "C": (["lqi"], ["share_class_a", "net_new_mrr"]),
    "D": (["new_mrr_per_customer"], ["net_new_mrr", "churned_mrr"]),
    "E": (["churned_mrr"], ["net_new_mrr"]),
    "F": (["win_rate"], ["net_new_mrr", "new_mrr_per_customer"]),
    "G": (["lqi"], ["share_class_a", "net_new_mrr"]),
    "H": (["activation_rate"], []),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--state", type=Path, default=Path(".state"))
    parser.add_argument("--within", type=int, default=8)
    options = parser.parse_args()
    truth = json.loads((options.state / "sandbox" / "truth.json").read_text())
    with duckdb.connect(str(options.state / "warehouse.duckdb"), read_only=True) as con:
        rows = con.execute(
            "SELECT metric_id, period_start, signals::VARCHAR, limits_status FROM xmr.points ORDER BY period_start"
        ).fetchall()
    periods: dict[str, list[dt.date]] = {}
    signals: dict[str, list[tuple[dt.date, str, str]]] = {}
    for metric, period, found, status in rows:
        periods.setdefault(metric, []).append(period)
        signals.setdefault(metric, [])
        if status == "none":
            continue
        signals[metric] += [(period, s["rule"], s["side"]) for s in json.loads(found or "[]")]
    now = dt.date.fromisoformat(truth["now"][:10])
    found_shifts = 0
    print(f"{'shift':28} {'metric':22} {'start':10}  found after (periods), by")
    planted = [s for s in truth["shifts"] if dt.date.fromisoformat(s["start"]) < now - dt.timedelta(days=14)]
    for shift in planted:
        start = dt.date.fromisoformat(shift["start"])
        for metric in MOVES[shift["id"]][0]:
            axis = [p for p in periods[metric] if p >= start]
            hits = [(axis.index(p) + 1, rule) for p, rule, _ in signals[metric] if p in axis[: options.within]]
            found_shifts += bool(hits)
            answer = ", ".join(f"{n} ({rule})" for n, rule in hits[:4]) or "NOT FOUND"
            print(f"{shift['id']} {shift['title']:26} {metric:22} {start}  {answer}")
    print(f"\n{'metric':22} {'periods judged':>14} {'signals':>8} {'false':>6}  where")
    for metric in sorted(signals):
        false = [(p, r) for p, r, _ in signals[metric] if not _explained(metric, p, truth["shifts"], periods[metric])]
        where = ", ".join(f"{p} {r}" for p, r in false[:6])
        print(f"{metric:22} {len(periods[metric]):14} {len(signals[metric]):8} {len(false):6}  {where}")
    print(f"\n{found_shifts} of {len(planted)} planted shifts found within {options.within} periods")
    return 0 if found_shifts >= min(5, len(planted)) else 1


def _explained(metric: str, period: dt.date, shifts: list[dict[str, str | None]], axis: list[dt.date]) -> bool:
    for shift in shifts:
        own, consequences = MOVES[str(shift["id"])]
        if metric not in own + consequences:
            continue
        start = dt.date.fromisoformat(str(shift["start"]))
        end = dt.date.fromisoformat(shift["end"]) if shift["end"] else dt.date.max
        over = [p for p in axis if p >= end][:8]
        if start <= period < end or period in over:
            return True
    return False


if __name__ == "__main__":
    sys.exit(main())
