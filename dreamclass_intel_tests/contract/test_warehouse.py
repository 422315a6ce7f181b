"""What each way of writing promises, on either warehouse, whatever the order, the fault or the repetition."""

import itertools
import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from dreamclass_intel.contracts import QUARANTINE, Column, ContractError, Grain, Table, Type, Write
from dreamclass_intel.loads import Extract
from dreamclass_intel.records import extract
from dreamclass_intel_tests.contract.stores import by_hand, leftovers, rows
from dreamclass_intel_tests.core.helpers import DAYS, dated, load, table, things

D1, D2, D3 = DAYS[:3]


# --- the three ways of writing ---------------------------------------------------------------------------------


def test_replace_replaces_the_partition_whole(store):
    declared = table()
    store.write(declared, [D1, D2], dated(declared, ("a", 1, D1), ("b", 2, D1), ("c", 3, D2)), "run1")
    result = store.write(declared, [D1], load(declared, things(("b", 20)), D1), "run2")
    assert (result.rows, result.duplicates, result.rejected) == (1, 0, 0)
    assert rows(store, "id, number, _load_partition, _run_id") == [("b", 20, D1, "run2"), ("c", 3, D2, "run1")]
    store.write(declared, [D2], load(declared, [], D2), "run3")
    assert rows(store) == [("b", 20, D1)]


def test_an_unpartitioned_table_is_replaced_whole(store):
    declared = table(grain=Grain.NONE)
    store.write(declared, None, load(declared, things(("a", 1), ("b", 2)), "all"), "r")
    store.write(declared, None, load(declared, things(("c", 3)), "all"), "r")
    assert rows(store) == [("c", 3, "all")]


def test_upsert_replaces_objects_by_key_and_keeps_the_rest(store):
    declared = table(Write.UPSERT)
    store.write(declared, [D1], load(declared, things(("a", 1), ("b", 2)), D1), "r")
    store.write(declared, [D2], load(declared, things(("b", 20), ("c", 3)), D2), "r")
    assert rows(store) == [("a", 1, D1), ("b", 20, D2), ("c", 3, D2)]
    # The vendor's objects as they are now; the newest day that touched `b` stays on record.
    store.write(declared, [D1], load(declared, things(("a", 1), ("b", 21)), D1), "r")
    assert rows(store) == [("a", 1, D1), ("b", 21, D2), ("c", 3, D2)]
    store.write(declared, [D2], load(declared, [], D2), "r")
    assert len(rows(store)) == 3


@pytest.mark.parametrize("order", [(0, 1), (1, 0), (0, 1, 0), (1, 0, 1)])
def test_an_older_version_never_replaces_a_newer_one(store, order):
    declared = table(Write.UPSERT, Column("changed_at", Type.TIMESTAMP, "Last change"), version="changed_at")
    versions = [({"id": "a", "number": n, "changed_at": f"{day}T10:00:00Z"}, day) for n, day in ((1, D1), (2, D2))]
    for number in order:
        record, day = versions[number]
        store.write(declared, [day], load(declared, [record], day), "r")
    assert rows(store) == [("a", 2, D2)]


def test_the_version_of_the_row_that_was_chosen_counts_and_none_is_old(store):
    declared = table(Write.UPSERT, Column("changed_at", Type.TIMESTAMP, "Last change"), version="changed_at")

    def write(*versions: tuple[int, str | None], day: str) -> None:
        records = [{"id": "a", "number": n, "changed_at": at and f"{at}T10:00:00Z"} for n, at in versions]
        store.write(declared, [day], load(declared, records, day), "r")

    write((1, D2), day=D2)
    write((2, D3), (3, D1), day=D1)  # read last, so chosen, and older than what is stored
    assert rows(store) == [("a", 1, D2)]
    write((4, D2), day=D1)
    assert rows(store) == [("a", 4, D2)]
    write((5, None), day=D1)
    assert rows(store) == [("a", 5, D2)]


def test_in_one_upsert_the_newest_day_then_the_last_read_wins(store):
    declared = table(Write.UPSERT)
    days = iter([D1, D2, D1, D2, D2])
    data = extract(declared, things(("a", 1), ("a", 2), ("a", 3), ("b", 4), ("b", 5)), lambda _: next(days))
    result = store.write(declared, [D1, D2], data, "r")
    assert rows(store) == [("a", 2, D2), ("b", 5, D2)]
    assert (result.rows, result.duplicates) == (2, 3)


def test_a_snapshot_of_a_range_keeps_older_snapshots(store):
    declared = table(Write.SNAPSHOT)
    store.write(declared, [D1], load(declared, things(("a", 1)), D1), "r")
    for number in (2, 3):
        store.write(declared, [D1, D2], load(declared, things(("a", number), ("b", number)), D2), "r")
        assert rows(store) == [("a", 1, D1), ("a", number, D2), ("b", number, D2)]
    store.write(declared, [D1, D2], load(declared, [], D2), "r")
    assert rows(store) == [("a", 1, D1)]


def test_a_snapshot_taken_before_the_ranges_end_replaces_itself(store):
    # The pipeline's clock may lie behind the newest partition that exists.
    declared = table(Write.SNAPSHOT)
    store.write(declared, [D3], load(declared, things(("a", 9)), D3), "r")
    for number in (1, 2):
        store.write(declared, [D1, D2, D3], load(declared, things(("a", number)), D2), "r")
    assert rows(store) == [("a", 2, D2), ("a", 9, D3)]
    assert store.audit(declared).problems == ()


# --- any order, any subset -------------------------------------------------------------------------------------


class Vendor:
    """Objects with the days that touched them, as the vendor answers today; and what happened each day."""

    def __init__(self, rng: random.Random) -> None:
        self.touched = {f"o{n}": sorted(rng.sample(DAYS, rng.randint(1, 3))) for n in range(12)}
        self.events = [(f"e{n}", rng.choice(DAYS)) for n in range(20)]

    def load(self, declared: Table, days: list[str], rng: random.Random) -> Extract:
        if declared.write is Write.UPSERT:
            found = [(name, day) for name, touched in self.touched.items() for day in touched if day in days]
        else:
            found = [(name, day) for name, day in self.events if day in days]
        found += rng.sample(found, len(found) // 3)  # pages overlap
        rng.shuffle(found)
        keys = iter([day for _, day in found])
        return extract(declared, [{"id": n, "number": len(n), "text": n} for n, _ in found], lambda _: next(keys))


def ranges(rng: random.Random) -> list[list[str]]:
    """All days cut into ranges in any order, then some again."""
    cuts = sorted(rng.sample(range(1, len(DAYS)), rng.randint(0, 2)))
    cut = [DAYS[a:b] for a, b in itertools.pairwise([0, *cuts, len(DAYS)])]
    rng.shuffle(cut)
    start = rng.randrange(len(DAYS))
    return [*cut, DAYS[start : start + rng.randint(1, 3)]]


@pytest.mark.parametrize("write", [Write.REPLACE, Write.UPSERT])
def test_permutations_give_one_content(store, place, write):
    declared, vendor = table(write), Vendor(random.Random(1))
    store.write(declared, DAYS, vendor.load(declared, DAYS, random.Random(0)), "r")
    expected = store.content_hash(declared)
    for seed in range(25 if place.kind == "duckdb" else 3):
        by_hand(store, "DELETE FROM {things} WHERE true")
        rng = random.Random(seed)
        for step in ranges(rng):
            store.write(declared, step, vendor.load(declared, step, rng), f"r{seed}")
        assert store.content_hash(declared) == expected, seed


# --- refusals leave everything as it was -----------------------------------------------------------------------


def test_identical_rows_are_stored_once(store):
    declared = table()
    result = store.write(declared, [D1], load(declared, things(("a", 1), ("b", 2), ("a", 1), ("a", 1)), D1), "r")
    assert (result.rows, result.duplicates) == (2, 2)
    assert rows(store) == [("a", 1, D1), ("b", 2, D1)]


def broken(declared: Table) -> Iterator[Any]:
    yield from load(declared, things(("new", 1)), D1).batches
    raise ConnectionError("the vendor hung up")


BAD_LOADS: list[tuple[str, type[Exception], Callable[[Table], Extract]]] = [
    (
        r"raw\.things: different rows share the key \(id=a",
        ContractError,
        lambda t: load(t, things(("a", 1), ("a", 2)), D1),
    ),
    (
        r"raw\.things: different rows share the key \(id=a",
        ContractError,
        lambda t: extract(t, [{"id": "a", "_origin": D1}, {"id": "a", "_origin": D2}], lambda r: r["_origin"]),
    ),
    (
        rf"raw\.things: rows of partitions \['{D3}'\] in a load of {D1}\.\.{D2}",
        ContractError,
        lambda t: load(t, things(("n", 1)), D3),
    ),
    (
        r"raw\.things\.number: row 1",
        ContractError,
        lambda t: load(t, [*things(("n", 1)), {"id": "m", "number": "x"}], D1),
    ),
    ("hung up", ConnectionError, lambda t: Extract(broken(t))),
    (
        r"raw\.things: batch schema",
        ContractError,
        lambda t: load(table(Write.REPLACE, Column("z", Type.INT, "z")), things(("n", 1)), D1),
    ),
]


@pytest.mark.parametrize(("words", "kind", "make"), BAD_LOADS, ids=[b[0][:40] for b in BAD_LOADS])
def test_a_refused_load_leaves_the_old_rows_and_no_file(store, words, kind, make):
    declared = table()
    store.write(declared, [D1, D2], dated(declared, ("a", 7, D1), ("old", 8, D2)), "r")
    before = store.content_hash(declared)
    with pytest.raises(kind, match=words):
        store.write(declared, [D1, D2], make(declared), "r2")
    assert store.content_hash(declared) == before
    assert leftovers(store) == []


def test_quarantined_records_are_replaced_with_their_partition(store):
    declared = table()

    def attempt(days: list[str], *records: dict[str, Any], day: str) -> int:
        data = extract(declared, records, day, on_bad="quarantine")
        return store.write(declared, days, data, "r").rejected

    bad = {"id": "a", "number": "many", "_origin": "f.csv row 1"}
    for _ in range(2):
        assert attempt([D1], bad, {"id": "b", "number": "more"}, {"id": "c"}, day=D1) == 2
    assert attempt([D2], {"id": "d", "number": "x"}, day=D2) == 1
    found = store.read(
        f"SELECT * FROM {store.name('raw.quarantine')} ORDER BY _load_partition, origin NULLS LAST"
    ).to_pylist()
    assert [(r["table_name"], r["reason"], r["field"], r["origin"], r["_load_partition"]) for r in found] == [
        ("raw.things", "number: 'many' is not int64", "number", "f.csv row 1", D1),
        ("raw.things", "number: 'more' is not int64", "number", None, D1),
        ("raw.things", "number: 'x' is not int64", "number", None, D2),
    ]
    assert store.audit(declared).quarantined == 3
    assert attempt([D1], {"id": "a", "number": 1}, day=D1) == 0
    assert store.audit(declared).quarantined == 1
    assert store.audit(QUARANTINE).problems == ()
