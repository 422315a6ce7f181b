"""More published charts give their printed limits and points outside."""

import numpy as np
import pytest

from dreamclass_intel.xmr import Chart, analyse
from dreamclass_intel_tests.xmr.vectors_more import (
    ANHOEJ,
    PHASE_LIMITS,
    PHASES,
    PRINTED,
    RISE,
    RISE_SLOPE,
    Printed,
)


def charted(case: Printed, preset: str = "wheeler") -> Chart:
    if case.sizes is None:
        return analyse(case.values, preset=preset, **case.args)
    values = [None if v is None else v / size for v, size in zip(case.values, case.sizes, strict=True)]
    return analyse(values, denominators=case.sizes, preset=preset, **case.args)


@pytest.mark.parametrize("case", PRINTED, ids=lambda case: case.name)
def test_printed(case: Printed) -> None:
    chart = charted(case)
    assert chart.limits is not None
    lines = chart.limits.lines
    for name, value in case.limits.items():
        got = getattr(chart.limits if isinstance(value, float | int) else lines, name)
        assert got == pytest.approx(value, rel=0, abs=case.tol), name
    assert [s.members[0] for s in chart.signals if s.rule == "outside_limits"] == case.outside


def test_two_phases() -> None:
    chart = analyse(PHASES, chart="u", denominators=[1] * len(PHASES), dividers=[24])
    for segment, (lower, upper) in zip(chart.segments, PHASE_LIMITS, strict=True):
        assert segment.limits is not None
        assert segment.limits.unpl == pytest.approx(upper, abs=5.1e-3)
        if lower is not None:
            assert segment.limits.lnpl == pytest.approx(lower, abs=5.1e-3)


def test_rise() -> None:
    limits = analyse(RISE, trend=True).limits
    assert limits is not None
    assert limits.adjustment is not None
    assert limits.adjustment.slope == pytest.approx(RISE_SLOPE, abs=1e-12)
    assert limits.lines is not None
    halves = [float(np.mean(half)) for half in (RISE[:7], RISE[7:])]
    assert limits.lines.center[[3, 10]] == pytest.approx(halves)


@pytest.mark.parametrize(("name", "signal"), ANHOEJ)
def test_anhoej(name: str, signal: bool) -> None:
    (case,) = [case for case in PRINTED if case.name == name]
    assert bool(charted(case, "anhoej").signals) is signal
