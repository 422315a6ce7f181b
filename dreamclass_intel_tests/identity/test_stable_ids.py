"""The id assignment against an exhaustive optimum; ids and redirects."""

import datetime as dt
from collections import Counter
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamclass_intel.identity.model import Key
from dreamclass_intel.identity.stable_ids import assign, maximum_assignment, new_id, resolve

DAY = dt.date(2024, 1, 1)


@given(st.integers(1, 5).flatmap(lambda m: st.lists(st.lists(st.integers(0, 6), min_size=m, max_size=m), max_size=5)))
@settings(deadline=None)
def test_assignment_is_the_optimum(weights: list[list[int]]) -> None:
    found = maximum_assignment(weights)
    used = [c for c in found if c is not None]
    assert len(used) == len(set(used))
    rows, columns = len(weights), len(weights[0]) if weights else 0
    padded = [[*row, *([0] * rows)] for row in weights]
    best = max(sum(padded[i][c] for i, c in enumerate(choice)) for choice in permutations(range(columns + rows), rows))
    assert sum(weights[i][c] for i, c in enumerate(found) if c is not None) == best


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=24), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_fewest_records_change_id_whatever_the_order(moves: list[tuple[int, int]], random: object) -> None:
    """Merges, splits and removals at random: kept records = optimum, no id twice, blind to order."""
    previous = {Key("x", str(i)): f"cmp_{old}" for i, (old, _) in enumerate(moves)}
    groups: dict[int, set[Key]] = {}
    for i, (_, new) in enumerate(moves):
        groups.setdefault(new, set()).add(Key("x", str(i)))
    age = {f"cmp_{n}": DAY + dt.timedelta(days=n) for n in range(6)}
    clusters = [frozenset(g) for g in groups.values()]
    ids = assign(clusters, previous, age)
    given_ids = [i for i in ids if i]
    assert len(given_ids) == len(set(given_ids))
    overlaps = [Counter(previous[k] for k in c) for c in clusters]
    kept = sum(o[i] for o, i in zip(overlaps, ids, strict=True) if i)
    names = [*age, *(None for _ in clusters)]
    columns = range(len(names))
    best = 0
    for choice in permutations(columns, len(clusters)) if len(clusters) <= 3 else ():
        best = max(best, sum(o[names[c]] for o, c in zip(overlaps, choice, strict=True) if names[c]))
    if len(clusters) <= 3:
        assert kept == best
    by_members = dict(zip(clusters, ids, strict=True))
    random.shuffle(clusters)  # type: ignore[attr-defined]
    assert dict(zip(clusters, assign(clusters, previous, age), strict=True)) == by_members


def test_ties_go_to_the_oldest_id() -> None:
    a, b = Key("x", "a"), Key("x", "b")
    merged = frozenset([a, b])
    age = {"cmp_young": DAY + dt.timedelta(days=1), "cmp_old": DAY}
    assert assign([merged], {a: "cmp_young", b: "cmp_old"}, age) == ["cmp_old"]


def test_ids_are_opaque_and_repeatable() -> None:
    one = new_id(Key("crm", "1"), DAY)
    assert one == new_id(Key("crm", "1"), DAY) and len(one) == 20
    assert len({one, new_id(Key("crm", "2"), DAY), new_id(Key("crm", "1"), DAY + dt.timedelta(days=1))}) == 3


def test_redirects_are_followed_and_cycles_reported() -> None:
    assert resolve("a", {"a": "b", "b": "c"}) == "c"
    assert resolve("a", {"a": None}) is None
    with pytest.raises(ValueError, match="cycle"):
        resolve("a", {"a": "b", "b": "a"})
