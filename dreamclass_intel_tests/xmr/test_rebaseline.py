"""New limits: what is proposed, what people decide and where, and what charts make of it."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import duckdb
import numpy as np
import pyarrow as pa
import pytest
from typer.testing import CliRunner

from dreamclass_intel.cli import app
from dreamclass_intel.defs.metrics import registry
from dreamclass_intel.defs.metrics.registry import Metric, metrics
from dreamclass_intel.defs.xmr import baselines, decisions
from dreamclass_intel.defs.xmr.charts import MetricChart, chart_as_of, label
from dreamclass_intel.defs.xmr.dividers import keep_taken, known_decisions
from dreamclass_intel.defs.xmr.proposals import rows_of
from dreamclass_intel.defs.xmr.rebaseline import decide_rebaseline
from dreamclass_intel.defs.xmr.tables import PROPOSALS
from dreamclass_intel.records import extract
from dreamclass_intel.settings import load_settings
from dreamclass_intel.warehouse.io_manager import WarehouseResource
from dreamclass_intel.xmr.decisions import Decision, Decisions

WEEK = dt.timedelta(days=7)
FIRST = dt.date(2024, 1, 1)
(SESSIONS,) = [m for m in metrics() if m.id == "sessions"]
QUIET = (100, 110, 90, 120, 100, 80, 110, 100, 90, 110, 100, 120, 90, 100, 110, 100)
LEVELS = [*QUIET, *QUIET, *(v + 80 for v in QUIET)]  # 32 weeks, then 16 at a new level
MOVED = FIRST + 32 * WEEK


def series(values: list[int]) -> list[dict[str, Any]]:
    return [
        {"period_start": FIRST + i * WEEK, "value": float(v), "n": v, "is_complete": True} for i, v in enumerate(values)
    ]


def chart(
    weeks: int, decided: Decisions = (), metric: Metric = SESSIONS, decided_by: dt.date | None = None
) -> MetricChart:
    return chart_as_of(metric, series(LEVELS), FIRST + weeks * WEEK, decisions=decided, decided_by=decided_by)


def decision(state: Any = "accepted", when: str = "2024-12-01", at: str = label(SESSIONS, MOVED)) -> Decision:
    return Decision("sessions", at, "shift", state, "ann", when, "new site", "")


def test_a_change_is_proposed_with_its_evidence() -> None:
    rows = list(rows_of(chart(48)))
    assert {row["mode"] for row in rows} == {"watch"}
    (row,) = rows
    assert (row["label"], row["state"], row["who"], row["kind"]) == (
        label(SESSIONS, MOVED),
        "proposed",
        "engine",
        "shift",
    )
    assert row["shift_low"] < 80 < row["shift_high"]
    assert row["statistic"] > row["threshold"]
    assert [r["state"] for r in rows_of(chart(32 + 9))] == ["open"]
    assert list(rows_of(chart(32))) == []


def test_an_accepted_proposal_is_a_divider_with_its_reason() -> None:
    made = chart(48, (decision(),))
    assert made.reasons == {32: "new site (ann, 2024-12-01)"}
    assert [s.start for s in made.chart.segments] == [0, 32]
    assert made.chart.limits.center == pytest.approx(sum(LEVELS[32:]) / 16)
    (row,) = rows_of(made)
    assert (row["mode"], row["state"], row["who"], row["why"]) == ("decision", "accepted", "ann", "new site")


def test_a_rejected_proposal_changes_no_limits_and_is_not_made_again() -> None:
    made = chart(48, (decision("rejected"),))
    assert made.reasons == {}
    assert [row["state"] for row in rows_of(made)] == ["rejected"]


def test_a_chart_of_an_old_week_does_not_know_of_a_later_decision() -> None:
    close = FIRST + 48 * WEEK
    late = (decision(when="2024-12-03"),)
    assert chart(48, late, decided_by=close).reasons == {}
    assert chart(48, late, decided_by=dt.date(2024, 12, 3)).reasons != {}
    assert chart(48, late).reasons != {}


def test_a_metric_on_auto_takes_a_shift_when_it_is_ready_and_keeps_it() -> None:
    auto = SESSIONS.model_copy(update={"rebaseline": "auto"})
    before, at, after = (chart(weeks, metric=auto) for weeks in (43, 44, 48))
    assert before.reasons == {}
    assert list(at.reasons) == list(after.reasons) == [32]
    assert "rebaseline: auto" in at.reasons[32]
    (row,) = rows_of(after)
    assert (row["state"], row["who"], row["decided_on"]) == ("accepted", "auto", FIRST + 44 * WEEK)
    assert chart(48, metric=auto, decided_by=FIRST + 43 * WEEK).reasons == {}
    assert chart(48, (decision("rejected"),), auto).reasons == {}


def test_the_limits_of_a_new_level_are_kept_like_all_others(warehouse: WarehouseResource) -> None:
    long = [*LEVELS, *(v + 80 for v in QUIET)]
    made = chart_as_of(SESSIONS, series(long), FIRST + 64 * WEEK, decisions=(decision(),))
    assert [s.limits.status for s in made.chart.segments] == ["locked", "locked"]
    backend = warehouse.backend()
    assert baselines.keep(backend, [made], {}, FIRST, "run") == 2
    again = chart_as_of(
        SESSIONS,
        series([3 * v for v in long]),
        FIRST + 64 * WEEK,
        locked=baselines.load(backend, [SESSIONS])["sessions"],
        decisions=(decision(),),
    )
    assert [s.limits.center for s in again.chart.segments] == [s.limits.center for s in made.chart.segments]


@pytest.fixture
def warehouse(settings_env: Callable[..., None]) -> WarehouseResource:
    load_settings().state_dir.mkdir()
    return WarehouseResource()


@pytest.fixture
def stored(warehouse: WarehouseResource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A warehouse with the series, and a decisions file of its own."""
    monkeypatch.setattr(decisions, "PATH", tmp_path / "decisions.yaml")
    decisions.PATH.write_text("# head\n[]\n")
    rows = [
        {**row, "metric_id": "sessions", "segment": "all", "numerator": row["value"], "denominator": None}
        for row in series(LEVELS)
    ]
    with duckdb.connect(str(load_settings().database)) as connection:
        connection.execute("CREATE SCHEMA marts")
        connection.register("rows", pa.Table.from_pylist(rows))
        connection.execute("CREATE TABLE marts.metric_series AS SELECT * FROM rows")
    return decisions.PATH


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["rebaseline", *arguments])
    return result.exit_code, result.output


def test_the_command_lists_records_and_decides(stored: Path) -> None:
    at = label(SESSIONS, MOVED)
    assert run("list")[1].startswith(f"proposed  sessions {at}: ")
    assert stored.read_text() == "# head\n[]\n"
    assert "1 new in" in run("record")[1]
    assert run("record") == (0, "Nothing new.\n")
    assert [d.state for d in decisions.load(stored)] == ["proposed"]
    code, told = run("accept", "sessions", at, "--why", "new site", "--who", "ann")
    assert (code, told.startswith(f"sessions at {at}: accepted by ann. Commit ")) == (0, True)
    (made,) = decisions.load(stored)
    assert (made.state, made.who, made.why) == ("accepted", "ann", "new site")
    assert made.evidence
    assert run("list") == (0, "Nothing is proposed.\n")
    code, told = run("accept", "sessions", at, "--why", "again")
    assert code == 2
    assert "accepted already, by ann" in told
    assert run("reject", "sessions", at, "--why", "site taken back")[0] == 0
    assert decisions.load(stored)[0].state == "rejected"


def test_a_proposal_can_be_decided_without_recording_it_first(stored: Path) -> None:
    assert run("reject", "sessions", label(SESSIONS, MOVED), "--why", "a bot", "--who", "ann")[0] == 0
    assert [(d.state, d.who) for d in decisions.load(stored)] == [("rejected", "ann")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("accept", "visits", "2024-W33", "--why", "x"), "no such metric: 'visits'"),
        (("accept", "sessions", "2024-W05", "--why", "x"), "no proposal on sessions at 2024-W05"),
        (("accept", "sessions", "2024-W33", "--why", " "), "why is empty"),
    ],
)
def test_what_cannot_be_decided_is_said_and_changes_nothing(
    stored: Path, arguments: tuple[str, ...], words: str
) -> None:
    code, told = run(*arguments)
    assert code == 2
    assert words in told
    assert stored.read_text() == "# head\n[]\n"


def test_a_registry_that_says_auto_records_its_shifts_as_accepted(
    stored: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auto = tuple(m.model_copy(update={"rebaseline": "auto"}) if m.id == "sessions" else m for m in metrics())
    for module in ("rebaseline", "series", "decisions"):
        monkeypatch.setattr(f"dreamclass_intel.defs.xmr.{module}.metrics", lambda: auto)
    run("record")
    (made,) = decisions.load(stored)
    assert (made.state, made.who) == ("accepted", "auto")
    assert registry.metrics() != auto


def test_a_launch_decides_too_and_a_wrong_one_fails_with_the_reason(stored: Path, warehouse: WarehouseResource) -> None:
    at = label(SESSIONS, MOVED)

    def launch(state: str) -> dg.ExecuteInProcessResult:
        config = {"metric": "sessions", "at": at, "state": state, "who": "bea", "why": "new site"}
        return decide_rebaseline.execute_in_process(
            run_config={"ops": {"decide_on_proposal": {"config": config}}},
            resources={"warehouse": warehouse},
            raise_on_error=False,
        )

    assert launch("accepted").success
    assert [(d.state, d.who) for d in decisions.load(stored)] == [("accepted", "bea")]
    failed = launch("maybe")
    assert not failed.success
    (failure,) = [e for e in failed.all_events if e.event_type_value == "STEP_FAILURE"]
    assert "state must be one of" in str(failure.event_specific_data)
    assert [d.state for d in decisions.load(stored)] == ["accepted"]


def test_a_step_and_a_drift_after_it_are_two_proposals_at_one_label(stored: Path, warehouse: WarehouseResource) -> None:
    """A trend holds from where its level began, which is where the step was."""
    x = 1000 + 10 * np.random.default_rng(0).standard_normal(100)
    x[30:] += 100
    x[50:] += 1.5 * np.arange(50)
    values = x.round().astype(int).tolist()
    made = chart_as_of(SESSIONS, series(values), FIRST + 100 * WEEK)
    rows = list(rows_of(made))
    assert len({(row["label"], row["kind"], row["mode"]) for row in rows}) == len(rows)
    assert {row["kind"] for row in rows} == {"shift", "trend"}
    assert len({row["label"] for row in rows if row["mode"] == "watch"}) == 1
    extract(PROPOSALS, rows, "all")


def test_a_straight_line_has_a_row_without_its_boundless_statistic() -> None:
    rows = list(rows_of(chart_as_of(SESSIONS, series(list(range(100, 148))), FIRST + 48 * WEEK)))
    assert [(row["kind"], row["statistic"]) for row in rows] == [("trend", None)]
    extract(PROPOSALS, rows, "all")


def test_what_is_taken_back_later_held_until_then() -> None:
    both = (decision(when="2024-12-01"), decision("rejected", when="2025-03-01"))
    assert list(chart(48, both, decided_by=dt.date(2024, 12, 16)).reasons) == [32]
    assert chart(48, both).reasons == {}
    auto = SESSIONS.model_copy(update={"rebaseline": "auto"})
    later = (decision("rejected", when="2025-03-01"),)
    assert list(chart(48, later, auto, decided_by=dt.date(2024, 12, 16)).reasons) == [32]
    assert chart(48, later, auto).reasons == {}


def test_a_shift_that_a_metric_took_stays_where_it_was_when_values_change(warehouse: WarehouseResource) -> None:
    auto = SESSIONS.model_copy(update={"rebaseline": "auto"})
    backend = warehouse.backend()
    assert known_decisions(backend, [auto]) == ()
    made = chart(48, metric=auto)
    assert keep_taken(backend, [made], (), "run") == 1
    known = known_decisions(backend, [auto])
    assert [(d.at, d.who) for d in known] == [(label(SESSIONS, MOVED), "auto")]
    assert keep_taken(backend, [made], known, "again") == 0
    corrected = [v + 80 if 26 <= i < 32 else v for i, v in enumerate(LEVELS)]
    close = FIRST + 48 * WEEK
    assert list(chart_as_of(auto, series(corrected), close).reasons) == [26]
    assert list(chart_as_of(auto, series(corrected), close, decisions=known).reasons) == [32]
    assert known_decisions(backend, [SESSIONS]) == (), "the registry says propose now"


def test_a_shift_is_taken_when_its_periods_are_mature() -> None:
    auto = SESSIONS.model_copy(update={"rebaseline": "auto", "maturity_days": 7})
    closes = [FIRST + weeks * WEEK for weeks in (44, 45)]
    before, at = (chart_as_of(auto, series(LEVELS), c, decided_by=c).reasons for c in closes)
    assert before == {}
    assert list(at) == [32]
    assert chart_as_of(auto, series(LEVELS), closes[1]).decisions[0].when == closes[1].isoformat()
