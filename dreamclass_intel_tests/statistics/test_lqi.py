"""The index against its definition, known figures and properties; its interval by exact enumeration."""

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamclass_intel.statistics.lqi import CLASSES, WEIGHTS, lqi

W = WEIGHTS["w1"]
COUNTS = st.fixed_dictionaries({c: st.integers(0, 400) for c in CLASSES}).filter(lambda c: sum(c.values()) > 0)


def index(**counts: int):
    return lqi({c: counts.get(c.lower(), 0) for c in CLASSES}, "w1")


@pytest.mark.parametrize(
    ("counts", "expected"),
    [
        ({"a": 7}, 100.0),
        ({"d": 7}, 0.0),
        ({"b": 3}, 60.0),
        ({"a": 1, "c": 1}, 65.0),
        ({"a": 21, "b": 27, "c": 47, "d": 33}, 100 * (21 + 27 * 0.6 + 47 * 0.3) / 128),
    ],
)
def test_is_the_weighted_share_of_leads(counts, expected):
    assert index(**counts).lqi == pytest.approx(expected)


@pytest.mark.parametrize(("times", "simulated"), [(1, 3.11), (4, 1.55)])
def test_standard_error_is_what_simulation_showed(times, simulated):
    found = index(a=12 * times, b=25 * times, c=38 * times, d=25 * times)
    assert found.se == pytest.approx(simulated, abs=0.01)


def test_has_no_value_without_leads_or_with_unknown_weights():
    assert index() is None
    assert lqi({"A": 3}, "w99") is None
    assert lqi({"A": 3}, None) is None


@pytest.mark.parametrize("counts", [{"E": 1}, {"A": -1}])
def test_refuses_what_are_no_class_counts(counts):
    with pytest.raises(ValueError, match="not class counts"):
        lqi(counts, "w1")


@pytest.mark.parametrize(("n", "small"), [(29, True), (30, False)])
def test_thirty_leads_are_enough_to_act_on(n, small):
    assert index(a=n).is_small_sample is small


@given(COUNTS)
def test_stays_on_the_scale_with_its_interval_around_it(counts):
    found = lqi(counts, "w1")
    assert -1e-9 <= found.ci_low <= found.lqi <= found.ci_high <= 100 + 1e-9
    assert found.n == sum(counts.values())


@given(COUNTS)
def test_standard_error_is_the_formula(counts):
    n = sum(counts.values())
    p = {c: k / n for c, k in counts.items()}
    mean = sum(W[c] * p[c] for c in CLASSES)
    square = sum(W[c] ** 2 * p[c] for c in CLASSES) - mean**2
    found = lqi(counts, "w1")
    assert found.lqi == pytest.approx(100 * mean)
    assert found.se == pytest.approx(100 * math.sqrt(max(square, 0) / n), abs=1e-4)


@given(COUNTS, st.integers(2, 9))
def test_more_leads_of_the_same_mix_change_the_error_alone(counts, times):
    one, many = lqi(counts, "w1"), lqi({c: n * times for c, n in counts.items()}, "w1")
    assert many.lqi == pytest.approx(one.lqi)
    assert many.se == pytest.approx(one.se / math.sqrt(times), abs=1e-9)


@given(COUNTS, st.sampled_from([("A", "B"), ("B", "C"), ("C", "D"), ("A", "D")]))
def test_a_better_lead_never_lowers_it(counts, pair):
    better, worse = pair
    if counts[worse]:
        moved = {**counts, worse: counts[worse] - 1, better: counts[better] + 1}
        assert lqi(moved, "w1").lqi > lqi(counts, "w1").lqi


@given(st.integers(1, 9), st.sampled_from(CLASSES))
def test_a_few_leads_of_one_class_are_no_certainty(n, name):
    found = lqi({name: n}, "w1")
    assert found.ci_high - found.ci_low > 10


@pytest.mark.parametrize("n", [3, 5, 8])
def test_the_interval_of_a_tiny_sample_covers_the_truth(n):
    """Exact: the probability of every outcome of n leads, summed where the interval holds the true index."""
    p = {"A": 0.12, "B": 0.25, "C": 0.38, "D": 0.25}
    truth = 100 * sum(W[c] * p[c] for c in CLASSES)
    covered = 0.0
    for split in product(range(n + 1), repeat=4):
        if sum(split) != n:
            continue
        counts = dict(zip(CLASSES, split, strict=True))
        ways = math.factorial(n) // math.prod(math.factorial(k) for k in split)
        found = lqi(counts, "w1")
        if found.ci_low <= truth <= found.ci_high:
            covered += ways * math.prod(p[c] ** k for c, k in counts.items())
    assert covered >= 0.93
