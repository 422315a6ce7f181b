"""CRM exports as CSV: the import command and the folder route."""

import csv
from decimal import Decimal
from itertools import pairwise

import pytest
import typer
import yaml

from dreamclass_intel.defs.crm import assets
from dreamclass_intel.defs.crm.client import CrmResource
from dreamclass_intel.defs.crm.command import import_csv
from dreamclass_intel.defs.crm.csv_files import folder_files
from dreamclass_intel.defs.crm.csv_mapping import MappingError
from dreamclass_intel_tests.sources.crm_exports import (
    BLOCKS,
    DEALS,
    EXAMPLE,
    HEADER,
    REAL,
    invented_leads,
    put,
)
from dreamclass_intel_tests.sources.helpers import content_hash


# --- the command --------------------------------------------------------------------------------
def test_a_list_without_dates_is_imported_and_charted(settings_env, read, tmp_path, capsys):
    from dreamclass_intel.xmr import analyse

    rows = invented_leads(tmp_path / "leads.csv", 1650)
    import_csv(tmp_path / "leads.csv", EXAMPLE)
    told = capsys.readouterr().out
    assert "1650 of 1650 rows imported into raw.crm_leads (2024-01-01)" in told
    assert "quarantined: 0" in told and "columns not loaded: Do Not Email, City" in told
    stored = read("SELECT * FROM raw.crm_leads ORDER BY sequence_no")
    assert [s["lead_id"] for s in stored] == [r["Prospect ID"] for r in rows]
    assert [s["is_converted"] for s in stored] == [r["Converted"] == "1" for r in rows]
    alias = {"Google": "google", "Direct Traffic": "direct", "Olark Chat": "chat", "": None, "testone": None}
    assert [s["lead_source"] for s in stored] == [alias[r["Lead Source"]] for r in rows]
    assert {s["country"] for s in stored} == {"Greece", None}
    assert {(s["outcome"], s["is_converted"]) for s in stored} == {("converted", True), ("not_converted", False)}
    assert '"TotalVisits":"2.0"' in stored[0]["_raw"] and "Do Not Email" not in stored[0]["_raw"]
    blocks = read(BLOCKS)
    assert [b["leads"] for b in blocks] == [200] * 8  # 50 leads wait for their block to fill
    assert blocks[0]["conversion_share"] == sum(r["Converted"] == "1" for r in rows[:200]) / 200
    assert blocks[3]["google_share"] == sum(r["Lead Source"] == "Google" for r in rows[600:800]) / 200
    assert {b["lead_number_span"] for b in blocks} == {199 * 7 + 1}
    chart = analyse([b["conversion_share"] for b in blocks], bounds=(0, 1))
    assert chart.limits is not None
    assert chart.limits.center == pytest.approx(sum(b["conversion_share"] for b in blocks) / 8)
    before = content_hash("raw.crm_leads")
    import_csv(tmp_path / "leads.csv", EXAMPLE)
    assert content_hash("raw.crm_leads") == before


@pytest.mark.shared
@pytest.mark.skipif(not REAL.exists(), reason="../shared is not here: the real list of leads is not ours to copy")
def test_the_real_list_is_imported_and_charted(settings_env, read, tmp_path, capsys):
    from dreamclass_intel.xmr import analyse, render_svg

    import_csv(REAL, EXAMPLE)
    assert "6468 of 6468 rows imported" in capsys.readouterr().out
    with REAL.open(encoding="utf-8", newline="") as stream:
        truth = sorted(csv.DictReader(stream), key=lambda r: int(r["Lead Number"]))
    (all_,) = read("SELECT count(*) AS n, count(*) FILTER (WHERE is_converted) AS c FROM raw.crm_leads")
    assert all_ == {"n": len(truth), "c": sum(r["Converted"] == "1" for r in truth)} == {"n": 6468, "c": 2454}
    blocks = read(BLOCKS)
    assert len(blocks) == 32
    for index, block in enumerate(blocks):
        part = truth[200 * index : 200 * index + 200]
        numbers = [int(r["Lead Number"]) for r in part]
        assert block["converted"] == sum(r["Converted"] == "1" for r in part)
        assert block["direct_share"] == sum(r["Lead Source"] == "Direct Traffic" for r in part) / 200
        assert block["lead_number_span"] == numbers[-1] - numbers[0] + 1
    outside = {}
    for name in ("conversion_share", "direct_share", "google_share", "organic_search_share", "lead_number_span"):
        series = [float(b[name]) for b in blocks]
        chart = analyse(series, labels=[str(b["block"]) for b in blocks])
        assert chart.limits is not None
        center = sum(series) / 32
        width = 2.66 * sum(abs(b - a) for a, b in pairwise(series)) / 31
        assert chart.limits.center == pytest.approx(center)
        assert (chart.limits.lnpl, chart.limits.unpl) == pytest.approx((center - width, center + width), rel=1e-3)
        beyond = [i for i, value in enumerate(series) if abs(value - center) > width]
        found = [s for s in chart.signals if s.rule == "outside_limits"]
        assert sorted(i for s in found for i in range(s.start, s.end + 1)) == beyond
        outside[name] = beyond
        assert render_svg(chart, title=name).startswith("<svg")
    # What this list has to say: the share of converted leads is routine, its mix and pace are not.
    assert outside == {
        "conversion_share": [],
        "direct_share": [],
        "google_share": [31],
        "organic_search_share": [25],
        "lead_number_span": [27],
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"columns": {**DEALS["columns"], "amonut": "Value"}}, "'amonut', which is no column of raw.crm_deals"),
        ({"columns": {**DEALS["columns"], "stage_id": "Stage"}}, "the header lacks 'Stage' (for stage_id)"),
        ({"keep": ["Nope"]}, "the header lacks 'Nope' (to keep)"),
        ({"kind": "orders"}, "kind: Input should be"),
        ({"colums": {}}, "colums: Extra inputs"),
        ({"time_zone": "Mars/Base"}, "no IANA time zone"),
        ({"columns": {"deal_id": "Id"}}, "say as_of"),
        ({"columns": {"deal_name": "Title", "created_at": "Created"}}, "deal_id of the key is not mapped"),
        ({"values": {"stage_id": {}}}, "'stage_id', which is not mapped"),
        ({"base": "sugar"}, "base 'sugar' is not one of hubspot_deals"),
    ],
)
def test_a_mapping_that_does_not_fit_stops_the_command(settings_env, tmp_path, capsys, change, words):
    path = tmp_path / "deals.csv"
    path.write_text(f"{HEADER}\n1,a,2,2024-01-05,2024-01-05\n")
    mapping = tmp_path / "m.yaml"
    mapping.write_text(yaml.safe_dump({**DEALS, **change}))
    with pytest.raises(typer.Exit) as stop:
        import_csv(path, mapping)
    told = capsys.readouterr().err
    assert stop.value.exit_code == 2
    assert words in told and told.count("\n") == 1
    assert not (tmp_path / "state").exists()


def test_the_command_refuses_people_under_the_public_key_and_dates_it_cannot_place(settings_env, tmp_path, capsys):
    path = tmp_path / "people.csv"
    path.write_text("Id,Mail,When\n1,ann@school.example,2019-01-05\n")
    mapping = tmp_path / "m.yaml"
    columns = {"lead_id": "Id", "email": "Mail", "created_at": "When"}
    mapping.write_text(yaml.safe_dump({"kind": "leads", "source": "x", "columns": columns}))
    with pytest.raises(typer.Exit):
        import_csv(path, mapping)
    assert "set PII_KEY first" in capsys.readouterr().err
    settings_env(PII_KEY="a long random text")
    with pytest.raises(typer.Exit):
        import_csv(path, mapping)
    assert "no row is dated between START_DATE (2024-01-01) and yesterday" in capsys.readouterr().err
    with pytest.raises(typer.Exit):
        import_csv(tmp_path / "gone.csv", mapping)
    assert "gone.csv" in capsys.readouterr().err
    settings_env(CRM_MODE="off")
    with pytest.raises(typer.Exit):
        import_csv(path, mapping)
    assert "CRM_MODE=off" in capsys.readouterr().err


# --- the folder ---------------------------------------------------------------------------------
def test_the_folder_route_loads_days_in_any_order_and_leaves_other_tables_typed(
    settings_env, materialise, read, tmp_path
):
    folder = tmp_path / "csv"
    columns = {**DEALS["columns"], "stage_id": "Stage", "owner_name": "Owner"}
    mapping = {**DEALS, "columns": columns}
    head = f"{HEADER},Stage,Owner"
    first = "1,one,5,2024-01-02,2024-01-02,new,Ann Lee\n2,two,6,2024-01-03,2024-01-03,new,\n"
    second = "1,one,7,2024-01-02,2024-01-04,won,Ann Lee\n3,three,x,2024-01-03,2024-01-03,new,\n"
    put(folder, "a.csv", f"{head}\n{first}", mapping)
    put(folder, "b.csv", f"{head}\n{second}", mapping)
    settings_env(CRM_CSV_DIR=folder, PII_KEY="k")
    every = [assets.crm_deals, assets.crm_stage_history, assets.crm_companies]
    materialise(every, "2024-01-01", "2024-01-05")
    rows = read("SELECT deal_id, amount, stage_id, owner_id, _load_partition FROM raw.crm_deals ORDER BY deal_id")
    assert [(r["deal_id"], r["amount"], r["stage_id"], r["_load_partition"]) for r in rows] == [
        ("1", Decimal(7), "won", "2024-01-04"),
        ("2", Decimal(6), "new", "2024-01-03"),
    ]
    assert rows[0]["owner_id"].startswith("owner_") and rows[1]["owner_id"] is None
    refused = read("SELECT reason, field, origin, _load_partition, record FROM raw.quarantine")
    assert [(q["reason"], q["field"], q["origin"], q["_load_partition"]) for q in refused] == [
        ("amount: 'x' is no number with a decimal point", "amount", "b.csv row 3", "2024-01-03")
    ]
    assert "Ann" not in str(read("SELECT * FROM raw.crm_deals")) + str(refused)
    history = read("SELECT deal_id, to_stage, changed_at, time_precision FROM raw.crm_stage_history")
    assert sorted((h["deal_id"], h["to_stage"], h["changed_at"].day) for h in history) == [
        ("1", "new", 2), ("1", "won", 4), ("2", "new", 3),
    ]  # fmt: skip
    assert {h["time_precision"] for h in history} == {"import"}
    assert read("SELECT count(*) AS n FROM raw.crm_companies") == [{"n": 0}]
    names = ("raw.crm_deals", "raw.crm_stage_history", "raw.quarantine")
    whole = {name: content_hash(name) for name in names}
    settings_env(STATE_DIR=tmp_path / "other")
    for day in ("2024-01-04", "2024-01-02", "2024-01-03", "2024-01-02"):
        materialise(every[:2], day)
    assert {name: content_hash(name) for name in names} == whole


def test_the_folder_says_what_is_missing(tmp_path):
    put(tmp_path / "csv", "deals.csv", HEADER, DEALS)
    (tmp_path / "csv/notes.md").write_text("not an export")
    assert [f.path.name for f in folder_files(tmp_path / "csv")] == ["deals.csv"]
    (tmp_path / "csv/more.csv").write_text("Id\n1\n")
    with pytest.raises(MappingError, match=r"more\.csv: there is no more\.mapping\.yaml beside it"):
        folder_files(tmp_path / "csv")
    (tmp_path / "csv/more.csv").rename(tmp_path / "csv/moved.txt.off")
    (tmp_path / "csv/lost.mapping.yaml").write_text("kind: deals")
    with pytest.raises(MappingError, match=r"lost\.mapping\.yaml: there is no CSV file of that name"):
        folder_files(tmp_path / "csv")
    with pytest.raises(MappingError, match="is no folder"):
        folder_files(tmp_path / "nowhere")


def test_a_folder_counts_only_while_the_source_is_live(settings_env, tmp_path):
    put(tmp_path / "csv", "deals.csv", HEADER, DEALS)
    settings_env(CRM_CSV_DIR=tmp_path / "csv")
    assert [f.path.name for f in CrmResource().csv_files() or []] == ["deals.csv"]
    settings_env(CRM_MODE="sandbox")
    assert CrmResource().csv_files() is None


def test_a_broken_folder_fails_once_without_retries(settings_env, materialise, tmp_path):
    put(tmp_path / "csv", "deals.csv", "Id,Title\n1,a\n", DEALS)
    settings_env(CRM_CSV_DIR=tmp_path / "csv", PII_KEY="k")
    run = materialise([assets.crm_deals], "2024-01-02", raise_on_error=False)
    assert not run.success
    assert not any(event.is_step_up_for_retry for event in run.all_events)
