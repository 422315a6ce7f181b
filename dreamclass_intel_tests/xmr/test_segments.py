"""Which segment moved: the parts add up, a planted segment is found, chance is not, bad input is named."""

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamclass_intel.xmr import Attribution, Contribution, Limits, analyse, attribute, windows_of

BEFORE, AFTER = range(8), range(8, 12)
NAN = math.nan


def by_name(found: Attribution) -> dict[str, Contribution]:
    return {row.segment: row for row in found.rows}


def ratio(numerators: object, denominators: object, **options: object) -> Attribution:
    names = ["a", "b", "c", "d"][: len(numerators)]  # type: ignore[arg-type]
    return attribute(names, numerators, AFTER, BEFORE, denominators=denominators, resamples=99, **options)  # type: ignore[arg-type]


def flat(before: float, after: float) -> list[float]:
    return [before] * 8 + [after] * 4


# --- the split


def test_mix_and_rate_by_hand() -> None:
    """Shares .5/.5 -> .8/.2 with ratios .2/.1 -> .2/.3: R .15 -> .22, and Kitagawa's two terms by hand."""
    found = ratio([flat(10, 16), flat(5, 6)], [flat(50, 80), flat(50, 20)])
    assert (found.before, found.after) == pytest.approx((0.15, 0.22))
    rows = by_name(found)
    assert rows["a"].rate == pytest.approx(0.0)
    assert rows["a"].mix == pytest.approx(0.3 * (0.2 - 0.185))
    assert rows["b"].rate == pytest.approx(0.2 * 0.35)
    assert rows["b"].mix == pytest.approx(-0.3 * (0.2 - 0.185))
    assert [row.segment for row in found.rows] == ["b", "a"]
    assert [row.share for row in found.rows] == pytest.approx([0.0655 / 0.07, 0.0045 / 0.07])


counts = st.lists(st.integers(0, 40), min_size=12, max_size=12)


@given(st.lists(st.tuples(counts, counts), min_size=1, max_size=4))
def test_the_parts_add_up(pairs: list[tuple[list[int], list[int]]]) -> None:
    """Also with segments that are new, vanished, or have numerators and no denominator."""
    n, d = [list(map(float, p[0])) for p in pairs], [list(map(float, p[1])) for p in pairs]
    sums = [sum(Fraction(row[t]) for row in rows for t in at) for rows in (n, d) for at in (BEFORE, AFTER)]
    used = [t for t in BEFORE if any(row[t] for row in d)]
    whole = all(any(row[t] for row in d) for t in range(12))
    if len(used) < 6 or not sums[3]:
        return
    found = ratio(n, d)
    if whole:
        assert found.change == pytest.approx(float(sums[1] / sums[3] - sums[0] / sums[2]), abs=1e-12)
    largest = max(abs(found.before), abs(found.after), 1.0)
    assert math.fsum(row.contribution for row in found.rows) == pytest.approx(found.change, abs=1e-13 * largest)
    for row in found.rows:
        assert row.mix is not None
        assert row.rate is not None
        assert row.mix + row.rate == row.contribution
        assert row.ci_low <= row.contribution <= row.ci_high
        assert 0 < row.p <= row.q <= 1
    if found.change:
        assert math.fsum(row.share or 0.0 for row in found.rows) == pytest.approx(1.0)
    sizes = [abs(row.contribution) for row in found.rows]
    assert sizes == sorted(sizes, reverse=True)


@given(st.lists(counts, min_size=1, max_size=4))
def test_totals_are_plain_differences_of_means(rows: list[list[int]]) -> None:
    names = ["a", "b", "c", "d"][: len(rows)]
    found = attribute(names, [list(map(float, row)) for row in rows], AFTER, BEFORE, resamples=99)
    for name, row in zip(names, rows, strict=True):
        expected = Fraction(sum(row[8:]), 4) - Fraction(sum(row[:8]), 8)
        assert by_name(found)[name].contribution == pytest.approx(float(expected), abs=1e-12)
        assert by_name(found)[name].mix is None
    assert math.fsum(r.contribution for r in found.rows) == pytest.approx(found.change, abs=1e-12)


def test_swapped_periods_swap_the_signs() -> None:
    rng = np.random.default_rng(3)
    d = rng.integers(20, 60, (3, 16)).astype(float)
    n = rng.binomial(d.astype(int), [[0.1], [0.3], [0.5]]).astype(float)
    there = attribute("abc", n, range(8, 16), range(8), denominators=d)
    back = attribute("abc", n, range(8), range(8, 16), denominators=d)
    for name, row in by_name(there).items():
        other = by_name(back)[name]
        assert (other.contribution, other.mix, other.rate) == pytest.approx((-row.contribution, -row.mix, -row.rate))  # type: ignore[operator]


def test_a_new_and_a_vanished_segment_are_mix() -> None:
    found = ratio([flat(10, 10), flat(30, 0), flat(0, 40)], [flat(100, 100), flat(100, 0), flat(0, 100)])
    rows = by_name(found)
    assert rows["b"].rate == rows["c"].rate == 0.0
    # R .2 -> .25, the level between them .225: the ratio of the newcomer is .4, that of the one gone .3
    assert rows["c"].mix == pytest.approx(0.5 * (0.4 - 0.225))
    assert rows["b"].mix == pytest.approx(-0.5 * (0.3 - 0.225))


def test_absent_and_missing_windows() -> None:
    """A segment without figures counts nothing; a window without any figures does not count."""
    with_gap = [[1.0, 2, 1, NAN, 2, 1, 2, 1, 4, 4, NAN, 5], [NAN, 2, 3, NAN, 2, 3, 2, 3, 2, 3, NAN, NAN]]
    found = attribute("ab", with_gap, AFTER, BEFORE)
    assert found.windows == (8, 9, 11)
    assert found.baseline == (0, 1, 2, 4, 5, 6, 7)
    assert by_name(found)["b"].contribution == pytest.approx(5 / 3 - 15 / 7)
    none: list[list[float | None]] = [[None if math.isnan(v) else v for v in row] for row in with_gap]
    assert attribute("ab", none, AFTER, BEFORE) == found
    d = [[10.0] * 12, [5.0] * 12]
    d[0][2] = d[1][2] = 0.0
    n = [[1.0] * 12, [2.0] * 12]
    n[0][2] = n[1][2] = 0.0
    zero = ratio(n, d)
    assert 2 not in zero.baseline
    assert zero.before == pytest.approx(0.2)


def test_numerators_without_a_denominator_are_rate() -> None:
    found = ratio([flat(10, 10), flat(0, 2)], [flat(100, 100), flat(0, 0)])
    rows = by_name(found)
    assert found.change == pytest.approx(0.02)
    assert (rows["b"].mix, rows["b"].rate) == (0.0, pytest.approx(0.02))


# --- how sure


def test_a_planted_segment_is_found() -> None:
    """One of twelve: its conversion drops from 20 to 12 % while the others stay."""
    rng = np.random.default_rng(20260102)
    d = rng.poisson(150, (12, 34)).astype(float)
    p = np.full((12, 34), 0.2)
    p[7, 26:] = 0.12
    n = rng.binomial(d.astype(int), p).astype(float)
    names = [f"source {i}" for i in range(12)]
    found = attribute(names, n, range(26, 34), range(26), denominators=d)
    assert [row.segment for row in found.moved] == ["source 7"]
    top = found.rows[0]
    truth = -0.08 / 12
    assert top.segment == "source 7"
    assert top.ci_low < truth < top.ci_high < 0
    assert top.rate is not None
    assert abs(top.rate) > 0.9 * abs(top.contribution)
    assert found.sentence.startswith("source 7 moved: -0.00")
    assert "mostly by its own rate" in found.sentence


def test_a_planted_change_of_mix_is_found() -> None:
    """No ratio changes; the segment with the low one doubles."""
    rng = np.random.default_rng(20260103)
    d = rng.poisson(np.array([[200.0] * 34, [200.0] * 34, [100.0] * 26 + [300.0] * 8])).astype(float)
    n = rng.binomial(d.astype(int), [[0.3], [0.3], [0.05]]).astype(float)
    found = attribute(["search", "mail", "display"], n, range(26, 34), range(26), denominators=d)
    assert found.rows[0].segment == "display"
    assert found.rows[0] in found.moved
    assert "display moved" in found.sentence
    assert "by its share of the whole" in found.sentence


@pytest.mark.parametrize(("windows", "kind"), [(1, "normal"), (4, "normal"), (8, "ratio"), (1, "ratio")])
def test_chance_is_rarely_found(windows: int, kind: str) -> None:
    """Nothing changed: with a budget of 10 % any of 8 segments stands out in about 10 % of 300 tries, and the
    95 % intervals hold 0 in about 95 %. The bounds are 3.3 standard errors of 300 tries around that.
    """
    rng = np.random.default_rng(20260104 + windows)
    tries, false, covered = 300, 0, 0
    for k in range(tries):
        if kind == "normal":
            x, d = rng.normal(100, 10, (8, 24 + windows)), None
        else:
            d = rng.poisson(rng.uniform(20, 200, (8, 1)) * rng.uniform(0.5, 2, 24 + windows)).astype(float)
            x = rng.binomial(d.astype(int), 0.1).astype(float)
        after, before = range(24, 24 + windows), range(24)
        found = attribute("abcdefgh", x, after, before, denominators=d, resamples=999, seed=k)
        false += bool(found.moved)
        covered += sum(row.ci_low <= 0 <= row.ci_high for row in found.rows)
    assert 0.04 <= false / tries <= 0.16
    assert 0.93 <= covered / tries / 8 <= 0.97


def test_intervals_hold_the_truth_when_something_changed() -> None:
    rng = np.random.default_rng(20260105)
    covered = 0
    truth = {"a": 0.5 * 0.1, "b": 0.0}
    for k in range(300):
        d = np.full((2, 32), 100.0)
        n = rng.binomial(100, [[0.2] * 24 + [0.3] * 8, [0.2] * 32]).astype(float)
        found = attribute("ab", n, range(24, 32), range(24), denominators=d, resamples=399, seed=k)
        covered += sum(row.ci_low <= truth[row.segment] <= row.ci_high for row in found.rows)
    assert 0.92 <= covered / 600 <= 0.98


def test_p_and_interval_agree() -> None:
    rng = np.random.default_rng(8)
    for k in range(40):
        found = attribute(
            "abcd", rng.normal(0, 1, (4, 20)) + 0.7 * (np.arange(20) > 11), range(12, 20), range(12), seed=k
        )
        for row in found.rows:
            assert (row.p <= 0.05) == (row.ci_low > 0 or row.ci_high < 0)


def test_q_values_are_benjamini_hochberg() -> None:
    """The fifteen p-values of Benjamini and Hochberg (1995), section 4.3: four are found at .05."""
    from dreamclass_intel.xmr.segments import benjamini_hochberg

    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.3240,
        0.4262,
        0.5719,
        0.6528,
        0.7590,
        1,
    ]
    q = benjamini_hochberg(np.array(p))
    assert (q <= 0.05).sum() == 4
    assert q[3] == pytest.approx(0.0095 * 15 / 4)
    assert (np.diff(q) >= 0).all()
    shuffled = np.array(p)[::-1].copy()
    assert benjamini_hochberg(shuffled).tolist() == q[::-1].tolist()


def test_the_same_answer_every_time_in_any_order() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(10, 1, (3, 20))
    one = attribute("abc", x, range(14, 20), range(14))
    assert attribute("abc", x, range(14, 20), range(14)) == one
    turned = by_name(attribute("cba", x[::-1], range(14, 20), range(14)))
    for row in one.rows:
        assert turned[row.segment].contribution == pytest.approx(row.contribution)
        assert turned[row.segment].p == pytest.approx(row.p, abs=2e-3)


# --- edges


def test_one_segment_takes_it_all() -> None:
    found = ratio([flat(10, 20)], [flat(100, 100)])
    assert [row.share for row in found.rows] == [1.0]
    assert found.sentence == "One segment only, a: the whole change of +0.1 is its own"


def test_constant_segments_are_exact() -> None:
    found = attribute("ab", [flat(0.1, 0.1), flat(0.7, 0.9)], AFTER, BEFORE)
    rows = by_name(found)
    assert (rows["a"].ci_low, rows["a"].ci_high, rows["a"].p) == pytest.approx((0.0, 0.0, 1.0), abs=1e-15)
    assert rows["b"].p == 1 / 2000
    assert rows["b"].ci_low == rows["b"].ci_high == rows["b"].contribution
    assert [row.segment for row in found.moved] == ["b"]


def test_nothing_changed_has_no_shares() -> None:
    found = attribute("ab", [flat(0.1, 0.2), flat(0.3, 0.2)], AFTER, BEFORE)
    assert [row.share for row in found.rows] == [None, None]
    quiet = attribute("ab", [[1.0, 2] * 6, [2.0, 1] * 6], AFTER, BEFORE)
    assert quiet.moved == ()
    assert quiet.sentence.startswith("No segment stands out")


def test_ties_keep_the_given_order() -> None:
    found = attribute("xyz", [flat(1, 2), flat(2, 3), flat(4, 3)], AFTER, BEFORE)
    assert [row.segment for row in found.rows] == ["x", "y", "z"]


def test_windows_of_a_signal() -> None:
    values: list[float | None] = [10.0, 11, 9, 10, 12, 10, 9, 11, 10, 10, 11, 9, *[14.0] * 10]
    values[15] = None
    values[3] = None
    chart = analyse(values, incomplete=[21], bridge=True)  # the limits rest on all windows, the run's among them
    (run,) = (signal for signal in chart.signals if signal.rule == "run_of_8")
    assert windows_of(chart, run) == ([12, 13, 14, 16, 17, 18, 19, 20], [0, 1, 2, 4, 5, 6, 7, 8, 9, 10, 11])
    given = analyse([10.0, 30, 10], baseline=Limits.given(lnpl=5, unpl=15))
    with pytest.raises(ValueError, match="given, not computed"):
        windows_of(given, given.signals[0])


GOOD = [[1.0] * 12, [2.0] * 12]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"segments": []}, "segments: at least one"),
        ({"segments": ["a", "a"]}, "segment 'a' is given twice"),
        ({"values": [[1.0] * 12]}, r"values must have the shape \[2, n\], not \[1, 12\]"),
        ({"values": [[1.0] * 12, [1.0] * 11]}, "values must be numbers of shape"),
        ({"values": [["x"] * 12, [1.0] * 12]}, "values must be numbers of shape"),
        ({"values": [[1.0] * 11 + [math.inf], [1.0] * 12]}, "values of segment 'a' in window 11 are infinite"),
        ({"denominators": [[1.0] * 11] * 2}, r"denominators must have the shape \[2, 12\], not \[2, 11\]"),
        ({"denominators": [[1.0] * 12, [1.0] * 11 + [-1.0]]}, "denominator of segment 'b' in window 11 is negative"),
        (
            {"values": [[1.0] * 12, [NAN] + [1.0] * 11], "denominators": GOOD},
            "segment 'b' has a denominator and no numerator in window 0",
        ),
        ({"denominators": [[0.0] * 12] * 2}, "0 baseline windows with figures, 6 are needed"),
        ({"denominators": [[1.0] * 8 + [0.0] * 4] * 2}, "no window of the signal has figures"),
        ({"windows": []}, "no window of the signal has figures"),
        ({"baseline": range(5)}, "5 baseline windows with figures, 6 are needed"),
        ({"windows": [12]}, "windows: no window 12 in a series of 12"),
        ({"baseline": range(-1, 7)}, "baseline: no window -1"),
        ({"windows": range(7, 12)}, "window 7 is in the baseline and in the signal"),
        ({"budget": 0.0}, "budget must lie between 0 and 1, not 0.0"),
        ({"confidence": 95}, "confidence must lie between 0 and 1, not 95"),
        ({"resamples": 10}, "resamples must be at least 99, not 10"),
    ],
)
def test_refused(change: dict[str, object], message: str) -> None:
    given: dict[str, object] = {"segments": ["a", "b"], "values": GOOD, "windows": AFTER, "baseline": BEFORE}
    with pytest.raises(ValueError, match=message):
        attribute(**(given | change))  # type: ignore[arg-type]
