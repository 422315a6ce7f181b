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
from dreamclass_intel.xmr.decisions import decide, latest, ordered, pending, record

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
    unique_by=lambda d: (d.metric, d.at, d.kind, d.when),
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
        b'# Ours.\n\n- metric: "sessions"\n  at: "2026-W41"\n  kind: "shift"\n  state: "accepted"\n  who: "Ada"\n'
        b'  when: "2027-01-20"\n  why: "new landing page"\n  evidence: "evidence"\n'
    )
    before = path.read_bytes()
    assert file.load(path) == (replace(SIGNUPS, metric="sessions"),)
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
        (LINE + LINE, "d.yaml: two decisions on the shift of lqi at w1 on 2026-02-01"),
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
    assert [d.state for d in taken_back] == ["proposed", "accepted", "rejected"], "what was decided before stays"
    assert taken_back[-1].evidence == proposal.sentence
    assert list(dividers_of(taken_back, "signups", made.labels, as_of="2027-01-31")) == [40]


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


def test_of_one_day_the_last_word_counts() -> None:
    proposed = (replace(SIGNUPS, state="proposed", when="2027-01-18"),)
    how = {"when": "2027-01-20", "why": "x"}
    once = decide(proposed, "signups", "2026-W41", "accepted", who="Ada", **how)
    twice = decide(once, "signups", "2026-W41", "rejected", who="Bo", **how)
    assert [(d.state, d.who) for d in twice] == [("proposed", "Ada"), ("rejected", "Bo")]
    assert [d.state for d in latest(twice)] == ["rejected"]
    assert [d.state for d in latest(twice, "2027-01-19")] == ["proposed"]
    assert latest(twice, "2027-01-17") == ()
    with pytest.raises(ValueError, match="was rejected on 2027-01-20, after 2027-01-19"):
        decide(twice, "signups", "2026-W41", "accepted", who="Ada", when="2027-01-19", why="x")


def test_a_shift_and_a_trend_at_one_window_are_two_proposals() -> None:
    both = ordered(replace(SIGNUPS, state="proposed", kind=kind) for kind in ("shift", "trend"))
    how = {"who": "Ada", "when": "2027-01-20", "why": "x"}
    with pytest.raises(ValueError, match="a shift and a trend are proposed on signups at 2026-W41: say which"):
        decide(both, "signups", "2026-W41", "accepted", **how)
    made = decide(both, "signups", "2026-W41", "accepted", kind="trend", **how)
    assert {(d.kind, d.state) for d in latest(made)} == {("shift", "proposed"), ("trend", "accepted")}


@pytest.mark.parametrize(
    ("metric", "at", "words"),
    [
        ("sessions", "2024-W60", "no week is called so (they are called like 2024-W01)"),
        ("sessions", "2024-W9", "no week is called so"),
        ("sessions", "2024-08-12", "no week is called so"),
        ("sessions", "w33", "no week is called so"),
        ("lqi", "2024-W10", "no scoring window is called so (they are called like 2024-01-01)"),
        ("lqi", "2024-01-08", "no scoring window is called so"),
        ("sesions", "2024-W10", "no such metric in the registry"),
    ],
)
def test_a_decision_on_nothing_is_refused_where_it_stands(tmp_path: Path, metric: str, at: str, words: str) -> None:
    path = tmp_path / "decisions.yaml"
    path.write_text(file.render([replace(SIGNUPS, metric=metric, at=at)]))
    with pytest.raises(ValueError, match=r"^decisions.yaml: ") as refused:
        file.load(path)
    assert str(refused.value).startswith(f"decisions.yaml: {metric} at {at}: {words}")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "decisions.yaml"
    path.write_text("[]\n")

    def full(_: Path, __: Path) -> None:
        raise OSError("no room")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="no room"):
        file.save((replace(SIGNUPS, metric="sessions"),), path)
    assert path.read_text() == "[]\n"


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
