"""The named presets: the conventions of rules.py one by one, published rule vectors, a second implementation.

Series are in sigma: centre 0, limits at -3 and 3, so that the zone lines are 1 and 2.
"""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamclass_intel.xmr import PRECEDENCE, PRESETS, Limits, Lines, analyse, chart_many, phrase, render_svg
from dreamclass_intel.xmr.patterns import crossings_needed
from dreamclass_intel.xmr.rules import rules_of

SHARED = Path(__file__).resolve().parents[3] / "shared" / "vectors" / "xmr"
GIVEN = Limits.given(lnpl=-3, unpl=3, center=0, mr_bar=1.128)
Event = tuple[str, str, int, int, int, tuple[int, ...]]
up = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8]


def found(values: list[float | None], preset: str, rule: str, **kwargs: Any) -> list[Event]:
    """(side, start, end, known_at, members) of a rule's events."""
    chart = analyse(values, baseline=GIVEN, preset=preset, **kwargs)
    return [(s.side, s.start, s.end, s.known_at, s.members) for s in chart.signals if s.rule == rule]  # type: ignore[misc]


def all_of(first: int, last: int) -> tuple[int, ...]:
    return tuple(range(first, last + 1))


# --- conventions


@pytest.mark.parametrize(("preset", "length"), [("wheeler", 8), ("western_electric", 8), ("nelson", 9), ("nhs", 7)])
def test_runs(preset: str, length: int) -> None:
    rule = f"run_of_{length}"
    assert found([0.5] * (length - 1), preset, rule) == []
    assert found([0.5] * (length + 2), preset, rule) == [("above", 0, length + 1, length - 1, all_of(0, length + 1))]
    assert found([-0.5] * length, preset, rule) == [("below", 0, length - 1, length - 1, all_of(0, length - 1))]
    half = [0.5] * (length // 2)
    rest = [0.5] * (length - length // 2)
    assert found([*half, 0.0, *rest], preset, rule) == [], "a tie ends a run"
    assert found([*half, None, *rest], preset, rule) == [], "so does a gap"
    assert found([*half, None, *rest], preset, rule, bridge=True) != []
    assert found([*half, *rest], preset, rule, dividers=[len(half)]) == [], "and a divider"
    assert found([*half, *rest], preset, rule, incomplete=[length - 1]) == []


@pytest.mark.parametrize("preset", ["wheeler", "western_electric", "nelson", "nhs"])
def test_on_a_limit_is_inside(preset: str) -> None:
    assert found([3.0, -3.0], preset, "outside_limits") == []
    assert found([3.01, 0, -3.01], preset, "outside_limits") == [
        ("above", 0, 0, 0, (0,)),
        ("below", 2, 2, 2, (2,)),
    ]


@pytest.mark.parametrize("preset", ["western_electric", "nelson"])
def test_two_of_three_and_four_of_five(preset: str) -> None:
    assert found([2.1, 0, 2.1], preset, "2_of_3") == [("above", 0, 2, 2, (0, 2))]
    assert found([2.1, -1, 5], preset, "2_of_3") == [("above", 0, 2, 2, (0, 2))], "the third lies anywhere, 5 counts"
    assert found([2.0, 2.0, 2.1], preset, "2_of_3") == [], "on the line is not beyond"
    assert found([2.1, 0, -2.1], preset, "2_of_3") == [], "sides are not mixed"
    assert found([2.1, 2.1], preset, "2_of_3") == [], "a window of three is three windows"
    assert found([2.1, None, 2.1, 0], preset, "2_of_3") == []
    assert found([2.1, None, 2.1, 0], preset, "2_of_3", bridge=True) == [("above", 0, 3, 3, (0, 2))]
    assert found([-1.1, -1.1, 0, -1.1, -9], preset, "4_of_5") == [("below", 0, 4, 4, (0, 1, 3, 4))]
    assert found([1.0, 1.1, 1.1, 1.1, 0], preset, "4_of_5") == []
    assert found([1.1, 1.1, None, 1.1, 1.1, 0], preset, "4_of_5") == []


def test_windows_that_overlap_or_adjoin_are_one_event() -> None:
    a, o = 2.5, 0.0
    assert found([a, a, o, o, a, a], "western_electric", "2_of_3") == [("above", 0, 5, 2, (0, 1, 4, 5))]
    assert len(found([a, a, o, o, o, a, a], "western_electric", "2_of_3")) == 2
    assert len(found([a, a, o, None, o, a, a], "western_electric", "2_of_3")) == 2


@pytest.mark.parametrize(("preset", "points"), [("nelson", 6), ("nhs", 7)])
def test_trends(preset: str, points: int) -> None:
    rule, rising = f"trend_of_{points}", up[:points]
    assert found(rising[:-1], preset, rule) == []
    assert found(rising, preset, rule) == [("above", 0, points - 1, points - 1, all_of(0, points - 1))]
    assert found([-v for v in [0.0, *rising]], preset, rule) == [("below", 0, points, points - 1, all_of(0, points))]
    assert found([*rising[:3], rising[2], *rising[3:]], preset, rule) == [], "equal neighbours end a trend"
    assert found([*rising[:3], None, *rising[3:]], preset, rule) == []
    assert found([*rising[:3], None, *rising[3:]], preset, rule, bridge=True) != []
    assert found(rising, preset, rule, dividers=[1]) == [], "no step crosses a divider"
    twice = [*rising, *rising]  # the drop between them is no step of either
    assert [event[1:3] for event in found(twice, preset, rule)] == [(0, points - 1), (points, 2 * points - 1)]
    assert found([0.1 + 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9][: points + 1], preset, rule)[0][1] == 1, (
        "float round-off"
    )


def test_near_the_limit() -> None:
    """NHS: two of three between 2 and 3 sigma, all three on one side of the mean."""
    rule = "2_of_3_near_limit"
    assert found([2.1, 0.5, 2.1], "nhs", rule) == [("above", 0, 2, 2, (0, 2))]
    assert found([2.1, 2.1, 3.0], "nhs", rule) == [("above", 0, 2, 2, (0, 1, 2))], "on the limit is near it"
    assert found([2.1, 0.5, 3.1], "nhs", rule) == [], "beyond the limit is not near it"
    assert found([2.1, 2.1, 3.1], "nhs", rule) == [("above", 0, 2, 2, (0, 1))], "but may be the third"
    assert found([2.1, 0.0, 2.1], "nhs", rule) == [], "the third on the centre is on no side"
    assert found([2.1, -0.5, 2.1], "nhs", rule) == []
    assert found([2.1, None, 2.1], "nhs", rule) == []


def test_alternation() -> None:
    saw = [float(k % 2) for k in range(14)]
    assert found(saw[:13], "nelson", "alternating_14") == []
    assert found(saw, "nelson", "alternating_14") == [("both", 0, 13, 13, all_of(0, 13))]
    assert found([*saw, *saw[:2]], "nelson", "alternating_14") == [("both", 0, 15, 13, all_of(0, 15))]
    flat = [*saw[:7], saw[6], *saw[7:]]
    assert found(flat, "nelson", "alternating_14") == []
    assert found([*saw[:7], None, *saw[7:]], "nelson", "alternating_14") == []


def test_hugging_and_avoiding_the_centre() -> None:
    assert found([0.9, -0.9, 0.0] * 5, "nelson", "15_within_1_sigma") == [("both", 0, 14, 14, all_of(0, 14))]
    assert found([0.9] * 7 + [1.0] + [0.9] * 7, "nelson", "15_within_1_sigma") == [], "on the line is not within"
    assert found([0.9] * 7 + [None] + [0.9] * 8, "nelson", "15_within_1_sigma") == []
    both = [1.1, -1.1, 1.1, 1.1, -1.1, 1.1, 1.1, 4.0]
    assert found(both, "nelson", "8_beyond_1_sigma") == [("both", 0, 7, 7, all_of(0, 7))]
    assert found([1.2] * 8, "nelson", "8_beyond_1_sigma") == [], "both sides are needed"
    assert found([*both[:7], 1.0], "nelson", "8_beyond_1_sigma") == []


def test_no_rule_hides_another() -> None:
    """The overlap vector of qcc: its precedence shows one rule a point; all four are kept here."""
    chart = analyse([2.5] * 7 + [3.2], baseline=GIVEN, preset="western_electric")
    assert [(s.rule, s.known_at) for s in chart.signals] == [
        ("2_of_3", 2),
        ("4_of_5", 4),
        ("outside_limits", 7),
        ("run_of_8", 7),
    ]


def test_sigma_is_a_third_of_the_way_on_each_side() -> None:
    lopsided = Limits.given(lnpl=-3, unpl=6, center=0, mr_bar=1.128)
    one = analyse([3.9, 0, 3.9, -2.1, 0, -2.1], baseline=lopsided, preset="western_electric").signals
    assert [s.side for s in one] == ["below"]
    two = analyse([4.1, 0, 4.1], baseline=lopsided, preset="western_electric").signals
    assert [s.side for s in two] == ["above"]


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_rule_can_be_said_and_drawn(preset: str) -> None:
    names = [rule.name for rule in rules_of(preset)]
    assert names == sorted(names, key=PRECEDENCE.index), "one order of precedence for all presets"
    series: list[list[float]] = [
        [0.0, 9, 0, 0],
        [0.5] * 20,
        [0.1 * k for k in range(-8, 9)],
        [float(k % 2) for k in range(20)],
        [2.5, 2.5, 0.5, 2.5, 1.5, 1.5],
        [1.5, -1.5] * 5,
        [0.5, -0.5, 0.4] * 6,
    ]
    seen = set()
    for values in series:
        chart = analyse(values, baseline=GIVEN, preset=preset)
        for signal in chart.signals:
            seen.add(signal.rule)
            assert phrase(chart, signal).endswith(chart.label(signal.end))
        assert chart.verdict.startswith(("Changed", "Routine"))
        assert render_svg(chart).count("<svg") == 1
    assert seen == set(names)


# --- Anhøj


def test_longest_run() -> None:
    """With n' = 24 the longest run may be round(log2 24) + 3 = 8."""
    tail = [-0.5, 0.5] * 8
    assert found([0.5] * 8 + tail, "anhoej", "anhoej") == []
    ((side, start, end, _, members),) = found([0.5] * 9 + tail[:15], "anhoej", "anhoej")
    assert (side, start, end, members) == ("above", 0, 23, all_of(0, 8))


def test_few_crossings_and_what_is_left_out() -> None:
    """With n' = 20 at least 6 crossings are to be expected: P(X <= 5) = .032, P(X <= 6) = .084 of 19 trials."""
    five = [0.5] * 4 + [-0.5] * 4 + [0.5] * 3 + [-0.5] * 3 + [0.5] * 3 + [-0.5] * 3
    event = ("both", 0, 19, 5, all_of(0, 19))
    assert [(e[0], e[1], e[2], e[4]) for e in found(five, "anhoej", "anhoej")] == [(event[0], 0, 19, event[4])]
    six = [*five[:18], 0.5, -0.5]
    assert found(six, "anhoej", "anhoej") == []
    padded: list[float | None] = [0.0, None, *five[:10], 0.0, None, *five[10:], 0.0]
    (one,) = found(padded, "anhoej", "anhoej")
    assert (one[1], one[2]) == (2, 23), "ties and gaps are left out of n' and of the members"
    assert len(one[4]) == 20
    assert 12 not in one[4]


def test_known_since_the_verdict_last_turned() -> None:
    values = [-0.5, 0.5] * 6 + [0.5] * 30
    (event,) = found(values, "anhoej", "anhoej")
    at = event[3]
    assert found(values[:at], "anhoej", "anhoej") == []
    for end in range(at + 1, len(values) + 1):
        assert found(values[:end], "anhoej", "anhoej")[0][3] == at


def test_crossings_are_the_binomial_quantile() -> None:
    got = crossings_needed(400)
    for n in range(1, 401):
        total, k = 0, -1
        while 20 * total < 2 ** (n - 1):  # in whole numbers: P(X <= k) < .05
            k += 1
            total += math.comb(n - 1, k)
        assert got[n] == k, n


# --- vectors with given z, flags of completing points that lie beyond themselves (as qcc shows them)


RULES = {
    "beyond3": ("nelson", "outside_limits"),
    "two_of_three": ("nelson", "2_of_3"),
    "four_of_five": ("nelson", "4_of_5"),
    "run8": ("western_electric", "run_of_8"),
    "run9": ("nelson", "run_of_9"),
    "trend6": ("nelson", "trend_of_6"),
    "alternate14": ("nelson", "alternating_14"),
    "within1_15": ("nelson", "15_within_1_sigma"),
    "avoid1_8": ("nelson", "8_beyond_1_sigma"),
}
# luca-scr/qcc, tests/testthat/test-rules.R: Western Electric and Nelson rules on values in sigma.
VECTORS: list[tuple[list[float], dict[str, list[int]]]] = [
    ([0, 3.2, -3.5, 2.9], {"beyond3": [1, 2], "two_of_three": [3]}),
    ([0, 2.5, 1.0, 2.6, 0], {"two_of_three": [3]}),
    ([-1.0] * 8 + [1.0], {"run8": [7]}),
    ([0.5] * 10 + [-0.5] * 10, {"run9": [8, 9, 18, 19], "run8": [7, 8, 9, 17, 18, 19]}),
    ([1.0, 3, 2, 4, 3, 5, 4, 6, 5, 7, 6, 8, 7, 9, 8], {"alternate14": [13, 14], "trend6": []}),
    ([1.2, 1.3, 0.2, 1.4, 1.5, -1.2, -1.3, -0.1, -1.4, -1.5], {"four_of_five": [4, 9]}),
    ([1.2, -1.3, 1.1, -1.4, 1.5, -1.2, 1.3, -1.1, 0.2], {"avoid1_8": [7]}),
    ([1.2] * 8, {"avoid1_8": []}),
    (
        [2.5] * 7 + [3.2],
        {"beyond3": [7], "two_of_three": [2, 3, 4, 5, 6, 7], "four_of_five": [4, 5, 6, 7], "run8": [7]},
    ),
]


def completing(values: list[float], rule: str) -> list[int]:
    preset, name = RULES[rule]
    many = chart_many(np.array([values], dtype=float), preset=preset, baseline=GIVEN)
    return np.flatnonzero(many.completed(name)[0] & many.flags[name][0]).tolist()


@pytest.mark.parametrize(("values", "expected"), VECTORS)
def test_completing_points(values: list[float], expected: dict[str, list[int]]) -> None:
    for rule, indices in expected.items():
        assert completing(values, rule) == indices, rule


def shared_vectors() -> list[Any]:
    found = []
    for path in sorted(SHARED.glob("*.json")) if SHARED.is_dir() else []:
        vector = json.loads(path.read_text())
        if vector.get("kind") == "rules_given_z":
            found.append(pytest.param(vector, id=vector["name"]))
    absent = pytest.mark.skip(reason=f"no vectors at {SHARED}")
    return found or [pytest.param(None, marks=absent, id="absent")]


@pytest.mark.shared
@pytest.mark.parametrize("vector", shared_vectors())
def test_shared_completing_points(vector: dict[str, Any]) -> None:
    for rule, indices in {**vector["recomputed"], **vector["published"]}.items():
        assert completing(vector["values"], rule) == indices, rule


# --- for every preset


def keys(values: list[float | None], preset: str, shift: int = 0, **kwargs: Any) -> set[tuple[object, ...]]:
    chart = analyse(values, baseline=GIVEN, preset=preset, **kwargs)
    return {
        (s.rule, s.side, s.start + shift, s.end + shift, s.known_at + shift, tuple(m + shift for m in s.members))
        for s in chart.signals
    }


halves = st.lists(st.sampled_from([None, *(k / 2 for k in range(-7, 8))]), max_size=16)
wavy = st.lists(st.tuples(st.floats(-2, 2), st.integers(1, 12)), max_size=5).map(
    lambda parts: [level + 0.01 * (k % 3) for level, length in parts for k in range(length)]
)
series = st.lists(st.one_of(halves, wavy), max_size=4).map(lambda parts: [v for part in parts for v in part])


@given(series, st.sampled_from(sorted(PRESETS)), st.integers(0, 60))
def test_no_signal_spans_a_divider(values: list[float | None], preset: str, at: int) -> None:
    both = keys(values, preset, dividers=[at])
    if 0 < at < len(values):
        assert both == keys(values[:at], preset) | keys(values[at:], preset, shift=at)


@given(series, st.sampled_from(sorted(set(PRESETS) - {"anhoej"})))
def test_signals_known_do_not_change_in_hindsight(values: list[float | None], preset: str) -> None:
    def known(values: list[float | None], at: int) -> set[tuple[object, ...]]:
        return {(rule, side, start, k) for rule, side, start, _, k, _ in keys(values, preset) if k <= at}

    for i in range(len(values)):
        assert known(values[: i + 1], i) == known(values, i)


@given(series, st.sampled_from(sorted(PRESETS)))
def test_mirrored_values_mirror_the_sides(values: list[float | None], preset: str) -> None:
    swap = {"above": "below", "below": "above", "both": "both"}
    mirrored = keys([None if v is None else -v for v in values], preset)
    assert mirrored == {(key[0], swap[str(key[1])], *key[2:]) for key in keys(values, preset)}


# --- a second implementation, in plain loops over windows


def same_side(points: list[float], line: float, need: int) -> str | None:
    for side, sign in (("above", 1), ("below", -1)):
        if sum(sign * v > line for v in points) >= need:
            return side
    return None


def near(points: list[float]) -> str | None:
    for side, sign in (("above", 1), ("below", -1)):
        if all(sign * v > 0 for v in points) and sum(2 < sign * v <= 3 for v in points) >= 2:
            return side
    return None


def monotone(points: list[float]) -> str | None:
    steps = [b - a for a, b in pairwise(points)]
    return "above" if min(steps) > 0 else "below" if max(steps) < 0 else None


def turns(points: list[float]) -> str | None:
    steps = [b - a for a, b in pairwise(points)]
    return "both" if all(a * b < 0 for a, b in pairwise(steps)) else None


def avoids(points: list[float]) -> str | None:
    return "both" if min(map(abs, points)) > 1 and min(points) < 0 < max(points) else None


def hugs(points: list[float]) -> str | None:
    return "both" if max(map(abs, points)) < 1 else None


ORACLE: dict[str, tuple[str, int, Callable[[list[float]], str | None]]] = {
    "run_of_9": ("nelson", 9, lambda p: same_side(p, 0, 9)),
    "run_of_7": ("nhs", 7, lambda p: same_side(p, 0, 7)),
    "trend_of_6": ("nelson", 6, monotone),
    "trend_of_7": ("nhs", 7, monotone),
    "alternating_14": ("nelson", 14, turns),
    "2_of_3": ("western_electric", 3, lambda p: same_side(p, 2, 2)),
    "4_of_5": ("western_electric", 5, lambda p: same_side(p, 1, 4)),
    "2_of_3_near_limit": ("nhs", 3, near),
    "15_within_1_sigma": ("nelson", 15, hugs),
    "8_beyond_1_sigma": ("nelson", 8, avoids),
}
numbers = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@given(numbers, st.sampled_from(sorted(ORACLE)))
def test_equals_plain_loops(rng: np.random.Generator, rule: str) -> None:
    """Halves of sigma, so that ties and points on lines are common; series that lean to what the rule looks for."""
    preset, of, test = ORACLE[rule]
    n = int(rng.integers(of, 40))
    lean = {
        "trend": np.cumsum(rng.choice([1, 1, 1, 1, 1, 1, 0, -1], n)) * rng.choice([1, -1]) - 3,
        "alter": np.where(np.arange(n) % 2, 1, -1) * rng.integers(1, 6, n) * (rng.random(n) > 0.02),
        "15_wi": rng.integers(-1, 2, n) + 3 * (rng.random(n) > 0.97),
        "8_bey": rng.choice([-1, 1], n) * rng.integers(2, 8, n) + (rng.random(n) > 0.97),
        "run_o": rng.integers(-1, 5, n) * rng.choice([1, -1]),
    }
    z = lean.get(rule[:5], rng.integers(-2, 8, n) * rng.choice([1, -1])) / 2
    values = [None if missing else float(v) for v, missing in zip(z, rng.random(n) < 0.02, strict=True)]
    spans: dict[str, list[list[int]]] = {}
    for end in range(of - 1, n):
        points = values[end - of + 1 : end + 1]
        side = None if None in points else test(points)  # type: ignore[arg-type]
        if side is not None:
            before = spans.setdefault(side, [])
            lead = {"trend": 1, "alter": 2}.get(rule[:5], 0)  # steps and turns adjoin, not points
            joins = before and end - of <= before[-1][1] - lead
            if joins:
                before[-1][1] = end
            else:
                before.append([end - of + 1, end])
    expected = {(side, a, b, a + of - 1) for side, found_ in spans.items() for a, b in found_}
    assert {event[:4] for event in found(values, preset, rule)} == expected


# --- limits that differ from window to window


@given(series, st.sampled_from(sorted(PRESETS)), st.booleans())
def test_lines_may_differ_from_window_to_window(values: list[float | None], preset: str, bridge: bool) -> None:
    """A centre that rises by 10 a window and limits that widen, with values that do the same, signal as still
    ones do (but for the rules that compare neighbours: those look at the values as they are).
    """
    n = len(values)
    center = 10.0 * np.arange(n)
    width = 2.0 ** (np.arange(n) % 3)  # exact in binary: a point on a line stays on it
    lines = Lines(center, center + 3 * width, center - 3 * width)
    moving = replace(GIVEN, lines=lines)

    def events(values: list[float | None], limits: Limits) -> list[tuple[object, ...]]:
        chart = analyse(values, baseline=limits, preset=preset, bridge=bridge)
        steps = ("trend", "alter")
        return [(s.rule, s.side, s.start, s.end, s.members) for s in chart.signals if not s.rule.startswith(steps)]

    exact = [None if v is None else round(v * 2) / 2 for v in values]
    moved = [None if v is None else c + v * w for v, c, w in zip(exact, center.tolist(), width.tolist(), strict=True)]
    assert events(moved, moving) == events(exact, GIVEN)


def test_strength_under_moving_lines_is_in_thirds_of_the_width() -> None:
    lines = Lines(np.array([0.0, 10.0]), np.array([3.0, 16.0]), np.array([-3.0, 4.0]))
    one, two = analyse([4.0, 18.0], baseline=replace(GIVEN, lines=lines)).signals
    assert (one.strength, two.strength) == (4.0, 4.0)


def test_anhoej_is_not_over_where_the_newest_point_lies_on_the_centre() -> None:
    assert analyse([1.0] * 12 + [0.0], preset="anhoej", baseline=GIVEN).verdict.startswith("Changed: 12 in a row")
