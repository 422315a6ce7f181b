"""What a metric's registry entry may say about its chart; a wrong one fails at load, naming metric and field."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from dreamclass_intel.defs.metrics import registry
from dreamclass_intel.defs.metrics.series_sql import render_sql
from dreamclass_intel.defs.xmr.rules import checks_of
from dreamclass_intel.xmr import KINDS, PRESETS

ENTRY: dict[str, Any] = {
    "id": "visits",
    "title": "Visits",
    "question": "Do people come?",
    "owner": "team:growth",
    "grain": "week",
    "unit": "visits",
    "direction": "up",
    "sources": ["ga4"],
    "from": {"table": "fct_traffic_daily", "date": "traffic_date"},
    "numerator": "sum(sessions)",
    "empty": "missing",
}


def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **fields: Any) -> tuple[registry.Metric, ...]:
    path = tmp_path / "registry.yaml"
    path.write_text(yaml.safe_dump([{**ENTRY, **fields}]))
    monkeypatch.setattr(registry, "PATH", path)
    return registry.metrics.__wrapped__()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"chart": "pareto"}, "chart must be one of xmr, i_prime"),
        ({"chart": "i_prime"}, "chart 'i_prime' needs a denominator"),
        ({"chart": "g", "trend": True}, "trend and season go with charts xmr and i_prime, not with 'g'"),
        ({"preset": "loud"}, "preset must be one of wheeler"),
        ({"season": 13}, "a season of 13 needs a baseline of 26 periods"),
        ({"season": 1}, "season"),
        ({"segments": "channel group; drop table x"}, "segments"),
        ({"rebaseline": "always"}, "rebaseline"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_entry_names_metric_and_field(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], words: str
) -> None:
    with pytest.raises(ValueError, match=r"^registry.yaml: metric 'visits': ") as refused:
        load(tmp_path, monkeypatch, **fields)
    assert words in str(refused.value)


def test_every_kind_of_chart_and_every_preset_can_be_registered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind, declared in KINDS.items():
        (metric,) = load(tmp_path, monkeypatch, chart=kind, **({"denominator": "sum(x)"} if declared.weighted else {}))
        assert metric.chart == kind
    for preset, rules in PRESETS.items():
        (metric,) = load(tmp_path, monkeypatch, preset=preset)
        assert list(checks_of(metric).values()) == [rule.name for rule in rules]
        assert all(name.isidentifier() for name in checks_of(metric))


def test_rates_are_charted_with_their_denominators() -> None:
    assert {m.id for m in registry.metrics() if m.denominator} == {
        m.id for m in registry.metrics() if KINDS[m.chart].weighted
    }


def test_segments_add_rows_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    split = load(tmp_path, monkeypatch, segments="channel_group")
    monkeypatch.setattr("dreamclass_intel.defs.metrics.series_sql.metrics", lambda: split)
    sql = render_sql()
    assert sql.count("'visits' as metric_id") == 2
    assert "coalesce(channel_group, '(none)') as segment" in sql
