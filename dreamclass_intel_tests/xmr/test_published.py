"""Published series give their published limits and signals."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dreamclass_intel.xmr import Baseline, Chart, Limits, analyse
from dreamclass_intel.xmr.rules import above
from dreamclass_intel_tests.xmr.vectors import ACCIDENTS_B, CASES, Case

SHARED = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "xmr"


def flags(chart: Chart) -> dict[str, list[int]]:
    limits = chart.limits
    assert limits is not None

    def members(rule: str) -> list[int]:
        return sorted({m for signal in chart.signals if signal.rule == rule for m in signal.members})

    over = np.flatnonzero(above(chart.moving_ranges, limits.url, limits)).tolist()
    return {
        "outside": members("outside_limits"),
        "run": members("run_of_8"),
        "zone": members("3_of_4"),
        "mr": over,
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_typed_in(case: Case) -> None:
    baseline = Baseline(start=case.base[0], stop=case.base[1]) if case.base else None
    chart = analyse(case.values, baseline=baseline, **case.args)
    for name, value in case.published.items():
        assert getattr(chart.limits, name) == pytest.approx(value, rel=0, abs=case.tol), name
    got = flags(chart)
    assert {name: got[name] for name in case.flags} == case.flags


def test_second_year_against_the_first_years_limits() -> None:
    """Wheeler, Making Sense of Data (2003) table 9.1: the limits 25.6 to 43.9 of year A judge year B."""
    chart = analyse(ACCIDENTS_B, baseline=Limits.given(lnpl=25.6, unpl=43.9))
    assert flags(chart)["outside"] == [7, 8, 10, 11]


# Every plain vector is used: rule2 and rule3 of the vectors' own recompute break runs at ties as ours do, and
# statprocon's "skip ties" convention differs on none of these series. Trended, p, p' and g are in test_kinds;
# left out are changepoint and rebaseline (other questions) and rules_given_z (other rules).
def plain_vectors() -> list[Any]:
    found = []
    for path in sorted(SHARED.glob("*.json")) if SHARED.is_dir() else []:
        vector = json.loads(path.read_text())
        if vector.get("kind") is None:
            found.append(pytest.param(vector, id=vector["name"]))
    absent = pytest.mark.skip(reason=f"no vectors at {SHARED}")
    return found or [pytest.param(None, marks=absent, id="absent")]


@pytest.mark.shared
@pytest.mark.parametrize("vector", plain_vectors())
def test_shared(vector: dict[str, Any]) -> None:
    args = dict(vector.get("limits_args", {}))
    base = args.pop("base", None)
    given = vector.get("given_limits")
    baseline = Limits.given(**given) if given else Baseline(start=base[0], stop=base[1]) if base else None
    chart = analyse(vector["values"], baseline=baseline, **args)
    limits = chart.limits
    assert limits is not None
    for source, tol in ((vector["published"], vector["tol"]), (vector["recomputed"], 1e-9)):
        for name, value in source.items():
            if name in ("center", "mr_bar", "unpl", "lnpl", "url"):
                assert getattr(limits, name) == pytest.approx(value, rel=1e-12, abs=tol), name
    got = flags(chart)
    names = {"rule1_x": "outside", "rule1_mr": "mr", "rule2": "run", "rule3": "zone", "rule3_members": "zone"}
    for source in (vector["published"], vector.get("expected_rules", {}), vector["recomputed"]):
        for name, value in source.items():
            if name in names and value is not None:
                assert got[names[name]] == value, name
