"""What was decided on proposals: its file, its errors, and what it means to a chart."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamclass_intel.defs.metrics.registry import metrics
from dreamclass_intel.defs.xmr import decisions as file
from dreamclass_intel.xmr import Chart, Decision, analyse, dividers_of, propose
from dreamclass_intel.xmr.decisions import accept_automatically, decide, ordered, pending, record

WEEKS = [f"2026-W{i:02}" for i in range(1, 53)] + [f"2027-W{i:02}" for i in range(1, 53)]
SIGNUPS = Decision("signups", "2026-W41", "shift", "accepted", "Ada", "2027-01-20", "new landing page", "evidence")


def chart() -> Chart:
    x = np.random.default_rng(1).normal(size=80)
    x[40:] += 4
    return analyse(x, labels=WEEKS[:80])


texts = st.text(min_size=1, max_size=40).filter(str.strip)
entries = st.lists(
    st.builds(
        Decision,
        metric=texts,
        at=texts,
        kind=st.sampled_from(["shift", "trend"]),
        state=st.sampled_from(["proposed", "accepted", "rejected"]),
        who=texts,
        when=st.dates().map(lambda day: day.isoformat()),
        why=texts,
        evidence=st.text(max_size=40),
    ),
    max_size=4,
    unique_by=lambda d: (d.metric, d.at),
)


# --- the file


@settings(max_examples=150)
@given(entries)
def test_reading_and_writing_give_the_same(found: list[Decision]) -> None:
    text = file.render(found)
    assert file.parse(text) == ordered(found)
    assert file.render(file.parse(text)) == text
    assert file.render(found[::-1]) == text, "in one order, whatever order they came in"


def test_a_file_keeps_its_bytes(tmp_path: Path) -> None:
    path = tmp_path / "decisions.yaml"
    path.write_bytes(
        b'# Ours.\n\n- metric: "signups"\n  at: "2026-W41"\n  kind: "shift"\n  state: "accepted"\n  who: "Ada"\n'
        b'  when: "2027-01-20"\n  why: "new landing page"\n  evidence: "evidence"\n'
    )
    before = path.read_bytes()
    assert file.load(path) == (SIGNUPS,)
    file.save(file.load(path), path)
    assert path.read_bytes() == before
    file.save((), path)
    assert path.read_text() == "# Ours.\n\n[]\n"
    path.write_text(before.decode() + "# and more\n")
    with pytest.raises(ValueError, match=r"decisions.yaml: a comment below the head would be lost"):
        file.save((), path)


def test_text_needs_no_quotes_and_a_date_stays_text() -> None:
    text = "- {metric: lqi, at: 2026-01-05, kind: shift, state: rejected, who: Bo, when: 2026-02-01, why: 007}\n"
    assert file.parse(text) == (Decision("lqi", "2026-01-05", "shift", "rejected", "Bo", "2026-02-01", "007"),)


def test_the_projects_own_file_is_in_order() -> None:
    known = {metric.id for metric in metrics()}
    assert {decision.metric for decision in file.load()} <= known
    text = file.PATH.read_text(encoding="utf-8")
    assert text.endswith(file.render(file.load()))


LINE = "- {metric: lqi, at: w1, kind: shift, state: accepted, who: Bo, when: 2026-02-01, why: x}\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metric: lqi", "d.yaml: a list of decisions is wanted, not dict"),
        ("", "d.yaml: a list of decisions is wanted, not NoneType"),
        ("- [", "d.yaml: not YAML: "),
        ("- lqi", "d.yaml: entry 1: fields are wanted, not 'lqi'"),
        (LINE + LINE, "d.yaml: two decisions on lqi at w1"),
        (LINE + "- {metric: lqi}", "d.yaml: entry 2: at is missing"),
        (LINE.replace("accepted", "agreed"), r"d.yaml: entry 1 \(lqi at w1\): state must be one of proposed, accepted"),
        (LINE.replace("shift", "jump"), r"entry 1 \(lqi at w1\): kind must be one of shift, trend, not 'jump'"),
        (LINE.replace("Bo", "''"), r"entry 1 \(lqi at w1\): who is empty"),
        (LINE.replace("Bo", "[Bo]"), r"entry 1 \(lqi at w1\): who must be text, not \['Bo'\]"),
        (LINE.replace("2026-02-01", "2026-02-30"), r"when must be a date like 2026-01-31, not '2026-02-30'"),
        (LINE.replace("2026-02-01", "20260201"), r"when must be a date like 2026-01-31, not '20260201'"),
        (LINE.replace("why: x", "why: x, wny: y"), r"entry 1 \(lqi at w1\): no such field: 'wny'"),
        (LINE.replace("why: x", "why: x, why: y"), "d.yaml: not YAML: .*field 'why' is given twice"),
    ],
)
def test_a_wrong_file_is_named_with_its_entry(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        file.parse(text, "d.yaml")


# --- from a proposal to a divider


def test_a_proposal_is_recorded_accepted_and_drawn() -> None:
    made = chart()
    (proposal,) = propose(made)
    recorded = record((), "signups", made, [proposal], when="2027-01-18")
    (entry,) = recorded
    assert (entry.at, entry.state, entry.who, entry.evidence) == (
        "2026-W41",
        "proposed",
        "engine",
        proposal.sentence,
    )
    assert dividers_of(recorded, "signups", made.labels) == {}
    accepted = decide(recorded, "signups", "2026-W41", "accepted", who="Ada", when="2027-01-20", why="landing page")
    reasons = dividers_of(accepted, "signups", made.labels)
    assert reasons == {40: "landing page (Ada, 2027-01-20)"}
    assert propose(analyse(made.values, labels=made.labels, dividers=list(reasons))) == ()
    taken_back = decide(accepted, "signups", "2026-W41", "rejected", who="Bo", when="2027-02-01", why="it was a test")
    assert dividers_of(taken_back, "signups", made.labels) == {}
    assert taken_back[0].evidence == proposal.sentence


def test_what_was_decided_is_not_proposed_again() -> None:
    made = chart()
    proposals = propose(made)
    assert pending(proposals, made, "signups", ()) == proposals
    near = replace(SIGNUPS, state="rejected", at="2026-W44")
    for decision in (SIGNUPS, near):
        assert pending(proposals, made, "signups", (decision,)) == ()
        assert record((decision,), "signups", made, proposals, when="2027-03-01") == (decision,)
    others = ({"metric": "leads"}, {"at": "2026-W30"}, {"kind": "trend"}, {"at": "1999-W01"})
    for other in (replace(SIGNUPS, **fields) for fields in others):
        assert pending(proposals, made, "signups", (other,)) == proposals


def test_an_open_proposal_is_not_recorded() -> None:
    made = chart()
    early = analyse(made.values[:48], labels=made.labels[:48])
    (proposal,) = propose(early)
    assert not proposal.ready
    assert record((), "signups", early, [proposal], when="2026-12-01") == ()


def test_auto_is_for_the_named_metrics_and_for_splits_only() -> None:
    waiting = ordered(
        replace(SIGNUPS, state="proposed", metric=m, kind=k)
        for m, k in (("a", "shift"), ("b", "shift"), ("c", "trend"))
    )
    a, b, c = accept_automatically(waiting, {"a", "c"}, when="2027-02-02")
    assert (a.state, a.who, a.when) == ("accepted", "auto", "2027-02-02")
    assert (b, c) == waiting[1:]
    refused = (replace(SIGNUPS, state="rejected"),)
    assert accept_automatically(refused, {"signups"}, when="2027-02-02") == refused


def test_auto_is_off_unless_a_metrics_config_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    first, other = metrics()[:2]
    waiting = ordered(replace(SIGNUPS, state="proposed", metric=m.id) for m in (first, other))
    assert file.accept_by_config(waiting, when="2027-02-02") == waiting
    configured = (first.model_copy(update={"rebaseline": "auto"}), other)
    monkeypatch.setattr(file, "metrics", lambda: configured)
    states = {d.metric: d.state for d in file.accept_by_config(waiting, when="2027-02-02")}
    assert states == {first.id: "accepted", other.id: "proposed"}


def test_as_of_leaves_out_what_was_decided_later() -> None:
    assert dividers_of((SIGNUPS,), "signups", WEEKS, as_of="2027-01-19") == {}
    assert list(dividers_of((SIGNUPS,), "signups", WEEKS, as_of="2027-01-20")) == [40]
    assert dividers_of((SIGNUPS,), "signups", WEEKS[:30]) == {}, "not on the axis yet"
    assert dividers_of((SIGNUPS,), "signups", WEEKS[50:]) == {}, "before the axis"
    assert dividers_of((SIGNUPS,), "signups", []) == {}
    with pytest.raises(ValueError, match="decision on signups at 2026-W40x: no window of the chart is called so"):
        dividers_of((replace(SIGNUPS, at="2026-W40x"),), "signups", WEEKS)


def test_decisions_that_cannot_be_taken() -> None:
    how = {"who": "Ada", "when": "2027-02-01", "why": "x"}
    with pytest.raises(ValueError, match="no proposal on signups at 2026-W01"):
        decide((SIGNUPS,), "signups", "2026-W01", "accepted", **how)
    with pytest.raises(ValueError, match="signups at 2026-W41 is accepted already, by Ada on 2027-01-20"):
        decide((SIGNUPS,), "signups", "2026-W41", "accepted", **how)
    with pytest.raises(ValueError, match="accepted or rejected, not proposed"):
        decide((SIGNUPS,), "signups", "2026-W41", "proposed", **how)
    with pytest.raises(ValueError, match="why is empty"):
        decide((SIGNUPS,), "signups", "2026-W41", "rejected", **(how | {"why": " "}))
