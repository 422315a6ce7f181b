"""Precision and recall against who is really who in the sandbox: the auto-accept level of false merges."""

import datetime as dt
from collections import Counter
from collections.abc import Iterable

import pytest

from dreamclass_intel.identity.history import Observation, publish
from dreamclass_intel.identity.model import EVIDENCE, SourceRecord
from dreamclass_intel.sandbox.world import World
from dreamclass_intel_tests.identity.planted import planted

START, NOW = dt.date(2024, 1, 1), dt.datetime(2024, 7, 1, tzinfo=dt.UTC)


def pairs(labels: Iterable[object]) -> int:
    """Unordered pairs with the same label."""
    return sum(n * (n - 1) // 2 for n in Counter(labels).values())


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.mark.parametrize(("device_links", "recall_floor"), [(True, 0.94), (False, 0.93)])
def test_precision_and_recall(world: World, device_links: bool, recall_floor: float) -> None:
    rows = planted(world, NOW, device_links=device_links)
    seen = [
        Observation(
            SourceRecord(r["source_system"], r["source_record_id"], **{n: r[n] for n in EVIDENCE if r.get(n)}),
            r["observed_at"].date(),
        )
        for r in rows
    ]
    company = publish([], [], seen, START, NOW.date()).newest.company_of
    truth = [(company[o.record.key], r["school_id"]) for o, r in zip(seen, rows, strict=True)]
    both, said, real = pairs(truth), pairs(c for c, _ in truth), pairs(s for _, s in truth)
    precision, recall = both / said, both / real
    print(f"{len(rows)} records, device links {device_links}: precision {precision:.4f}, recall {recall:.4f}")
    assert precision >= 0.995
    assert recall >= recall_floor
