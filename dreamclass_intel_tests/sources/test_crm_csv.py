"""CRM exports as CSV: the import command, the folder route, and the files people really send."""

import csv
import datetime as dt
import random
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from dreamclass_intel.defs.crm import assets, csv_import, tables
from dreamclass_intel.defs.crm.client import CrmResource
from dreamclass_intel.defs.crm.command import import_csv
from dreamclass_intel.defs.crm.csv_files import CsvFile, folder_files
from dreamclass_intel.defs.crm.csv_mapping import BUILT_IN, MappingError, load_mapping
from dreamclass_intel.partitions import Days
from dreamclass_intel.settings import load_settings
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse
from dreamclass_intel_tests.conftest import REPOSITORY, SHARED
from dreamclass_intel_tests.sources.helpers import content_hash

EXAMPLE = REPOSITORY / "docs/examples/education_leads.mapping.yaml"
BLOCKS = (REPOSITORY / "docs/examples/education_leads_blocks.sql").read_text()
REAL = SHARED / "real/education_leads.csv"
JANUARY = Days(dt.date(2024, 1, 1), dt.date(2024, 2, 1))
DEALS: dict[str, Any] = {
    "kind": "deals",
    "source": "csv_test",
    "columns": {
        "deal_id": "Id",
        "deal_name": "Title",
        "amount": "Value",
        "created_at": "Created",
        "updated_at": "Updated",
    },
}
HEADER = "Id,Title,Value,Created,Updated"


def put(folder: Path, name: str, text: str | bytes, mapping: dict[str, Any]) -> CsvFile:
    """An export and its mapping in a folder."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    beside = path.with_name(f"{path.stem}.mapping.yaml")
    beside.write_text(yaml.safe_dump(mapping, allow_unicode=True))
    return CsvFile(path, load_mapping(beside))


def loaded(*files: CsvFile, window: Days = JANUARY) -> tuple[list[dict[str, Any]], list[Any], dict[str, Any]]:
    """Rows, refusals and metadata of a load of the files' kind."""
    found = csv_import.load(files[0].mapping.kind, files, window)
    rows = [row for batch in found.batches for row in batch.to_pylist()]
    return rows, found.rejected, found.metadata


def deals(tmp_path: Path, *lines: str, **changes: Any) -> CsvFile:
    return put(tmp_path / "csv", "deals.csv", "\n".join([HEADER, *lines]), {**DEALS, **changes})


def invented_leads(path: Path, count: int) -> list[dict[str, str]]:
    """Leads in the layout of the real list: all its columns, no dates, ids and people made up."""
    draw = random.Random(5)
    mapping = yaml.safe_load(EXAMPLE.read_text())
    header = list(dict.fromkeys([*mapping["columns"].values(), *mapping["keep"], "Do Not Email", "City"]))
    rows = []
    for n in range(count):
        row = dict.fromkeys(header, "No") | {
            "Prospect ID": f"00000000-0000-4000-8000-{n:012d}",
            "Lead Number": str(100_000 + 7 * n),
            "Lead Source": draw.choice(["Google", "Direct Traffic", "Olark Chat", "", "testone"]),
            "Converted": "1" if draw.random() < 0.4 else "0",
            "TotalVisits": "2.0",
            "Country": draw.choice(["Greece", "unknown", ""]),
        }
        rows.append(row)
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, header)
        writer.writeheader()
        writer.writerows(rows)
    return rows


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


# --- the files people send ----------------------------------------------------------------------
@pytest.mark.parametrize(
    ("encoding", "bom", "delimiter"),
    [("utf-8", b"", ","), ("utf-8", b"\xef\xbb\xbf", ";"), ("utf-16", b"", "\t"), ("utf-16-le", b"", ","),
     ("cp1252", b"", ";"), ("utf-8", b"", "|")],
)  # fmt: skip
def test_encodings_and_delimiters_are_found_out(tmp_path, encoding, bom, delimiter):
    lines = [HEADER.split(","), ["7", "École d’été", "1.5", "2024-01-05", "2024-01-06"]]
    text = "\r\n".join(delimiter.join(line) for line in lines) + "\r\n"
    rows, refused, _ = loaded(put(tmp_path / "csv", "d.csv", bom + text.encode(encoding), DEALS))
    assert (refused, len(rows)) == ([], 1)
    assert (rows[0]["deal_name"], rows[0]["amount"]) == ("École d’été", Decimal("1.5"))


def test_quoted_newlines_blank_lines_and_spreadsheet_row_numbers(tmp_path):
    file = deals(
        tmp_path, '1,"a note\r\nwith, both",2,2024-01-05,2024-01-05', "", ",,,,", "2,b,bad,2024-01-05,2024-01-05"
    )
    rows, refused, _ = loaded(file)
    assert [r["deal_name"] for r in rows] == ["a note\r\nwith, both"]
    assert [r.origin for r in refused] == ["deals.csv row 5"]


def test_headers_match_by_name_without_case_and_doubled_ones_are_asked_about(tmp_path):
    file = put(tmp_path / "a", "d.csv", "ID , title,VALUE,created,Updated\n1,a,2,2024-01-05,2024-01-05\n", DEALS)
    assert loaded(file)[0][0]["deal_name"] == "a"
    doubled = "Id,Title,Value,Created,Updated,Title\n1,a,2,2024-01-05,2024-01-05,b\n"
    with pytest.raises(MappingError, match="'title' more than once; write title__2"):
        loaded(put(tmp_path / "b", "d.csv", doubled, DEALS))
    second = {**DEALS, "columns": {**DEALS["columns"], "deal_name": "Title__2"}}
    assert loaded(put(tmp_path / "c", "d.csv", doubled, second))[0][0]["deal_name"] == "b"


@pytest.mark.parametrize(
    ("style", "text", "value"),
    [("point", "$125,000", 125000), ("point", "1,234.56", "1234.56"), ("point", "(500)", -500),
     ("point", "£1000", 1000), ("point", "EUR 12.5", "12.5"), ("point", "-$3", -3), ("point", "0", 0),
     ("point", "", None), ("comma", "1.234,56", "1234.56"), ("comma", "1 234,5 €", "1234.5"),
     ("comma", "1.234", 1234), ("point", "1.234,56", "bad"), ("comma", "1,234.56", "bad"),
     ("point", "12,34", "bad"), ("point", "n/a", "bad"), ("point", "NaN", "bad"), ("point", "1e3", "bad")],
)  # fmt: skip
def test_amounts(tmp_path, style, text, value):
    rows, refused, _ = loaded(deals(tmp_path, f'1,a,"{text}",2024-01-05,2024-01-05', decimal=style))
    if value == "bad":
        assert (rows, [r.field for r in refused]) == ([], ["amount"])
    else:
        assert rows[0]["amount"] == (None if value is None else Decimal(str(value)))


@pytest.mark.parametrize(
    ("formats", "zone", "text", "utc"),
    [
        (["iso"], "Europe/Athens", "2024-01-05 01:30", "2024-01-04 23:30:00"),
        (["iso"], "Europe/Athens", "2024-01-05", "2024-01-05 00:00:00"),  # a date stays that date
        (["iso"], "Europe/Athens", "2024-01-05T01:30:00+01:00", "2024-01-05 00:30:00"),
        (["%d/%m/%Y %H:%M"], "UTC", "03/01/2024 10:00", "2024-01-03 10:00:00"),
        (["%m/%d/%Y"], "UTC", "01/03/2024", "2024-01-03 00:00:00"),
        (["excel"], "UTC", "45296.5", "2024-01-05 12:00:00"),
        (["%d.%m.%Y", "iso"], "UTC", "2024-01-07", "2024-01-07 00:00:00"),
        (["%d/%m/%Y"], "UTC", "01/31/2024", None),
        (["iso"], "UTC", "2024-02-30", None),
        (["excel"], "UTC", "7", "1900-01-06 00:00:00"),
        (["excel"], "UTC", "-3", None),
    ],
)
def test_dates(tmp_path, formats, zone, text, utc):
    rules = {"dates": {"created_at": formats}, "time_zone": zone}
    file = deals(tmp_path, f"1,a,2,{text},2024-01-20", **rules)
    rows, refused, _ = loaded(file)
    if utc is None:
        assert (rows, [r.field for r in refused]) == ([], ["created_at"])
    else:
        assert str(rows[0]["created_at"]) == utc


def test_ids_mangled_by_a_spreadsheet_are_refused_and_formulas_stay_text(tmp_path):
    formula = '=HYPERLINK("http://x.example";"click")'
    quoted = formula.replace('"', '""')
    file = deals(tmp_path, "1.23E+10,a,2,2024-01-05,2024-01-05", f'=1+1,"{quoted}",2,2024-01-05,2024-01-05')
    rows, refused, _ = loaded(file)
    assert [(r["deal_id"], r["deal_name"]) for r in rows] == [("=1+1", formula)]
    (bad,) = refused
    assert (bad.field, bad.origin) == ("deal_id", "deals.csv row 2")
    assert "mangled by a spreadsheet" in bad.reason


def test_rows_that_do_not_fit_are_quarantined_with_a_reason_each(settings_env, tmp_path):
    file = deals(
        tmp_path,
        ",no id,2,2024-01-05,2024-01-05",
        "2,no date,2,,",
        "3,cut",
        "4,bad date,2,2024-01-05,yesterday",
        "5,extra,2,2024-01-05,2024-01-05,,",
        "Confidential Information - Do Not Distribute",
        "Ann Lee",
    )
    rows, refused, told = loaded(file)
    assert [r["deal_id"] for r in rows] == ["5"]
    assert [(r.origin.split()[-1], r.reason, r.partition) for r in refused] == [
        ("2", "deal_id: is empty", "2024-01-05"),
        ("3", "updated_at: is empty, so the row has no date", "2024-01-01"),
        ("4", "2 cells, the header has 5", "2024-01-01"),
        ("5", "updated_at: 'yesterday' is no date of the form iso", "2024-01-05"),
        ("7", "1 cells, the header has 5", "2024-01-01"),
        ("8", "1 cells, the header has 5", "2024-01-01"),
    ]
    assert "Ann" not in str(refused)
    assert told["rows_read"] == 7 == len(rows) + len(refused)
    # Loading again, and on another day, leaves one quarantined row each.
    warehouse = DuckDBWarehouse(load_settings().database)
    for window in (JANUARY, JANUARY, Days(dt.date(2024, 1, 9), dt.date(2024, 1, 10))):
        warehouse.write(tables.DEALS, window.keys(), csv_import.load("deals", [file], window), "run")
    assert warehouse.read("SELECT count(*) AS n FROM raw.quarantine").to_pylist() == [{"n": 6}]


def test_every_row_read_is_accounted_for(tmp_path):
    file = deals(
        tmp_path,
        "1,old,1,2024-01-02,2024-01-03",
        "1,new,2,2024-01-02,2024-01-09",
        "1,newest but broken,?,2024-01-02,2024-01-10",
        "2,same time first,1,2024-01-02,2024-01-04",
        "2,same time last,2,2024-01-02,2024-01-04",
        "3,before,1,2023-05-01,2023-06-01",
        "4,later,1,2024-01-02,2024-02-20",
    )
    rows, refused, told = loaded(file)
    assert [(r["deal_id"], r["deal_name"]) for r in rows] == [("1", "new"), ("2", "same time last")]
    assert [r.origin for r in refused] == ["deals.csv row 4"]
    counts = [told[n] for n in ("rows_read", "rows_superseded", "rows_before_start_date", "rows_of_other_days")]
    assert counts == [7, 2, 1, 1]
    assert sum(counts[1:]) + len(rows) + len(refused) == counts[0]
    assert len(told["csv_files_sha256"]["deals.csv"]) == 64


def test_order_by_decides_between_versions_and_joined_columns_make_an_id(tmp_path):
    mapping = {
        "kind": "leads",
        "source": "x",
        "as_of": dt.date(2024, 1, 3),
        "order_by": "sequence_no",
        "columns": {
            "lead_id": {"join": ["Region", "No"], "separator": "-"},
            "sequence_no": "Version",
            "lead_source": ["Campaign source", "Source"],
            "email": "Mail",
            "is_converted": "Won",
        },
        "constants": {"medium": "fair"},
        "values": {"is_converted": {"gewonnen": True, "*": False}},
    }
    text = (
        "Region,No,Version,Campaign source,Source,Mail,Won\n"
        "N,1,9,,fair,Ann@School.example,gewonnen\nN,1,8,x,fair,a@b.example,offen\nS,1,1,ad,fair,,\n"
    )
    rows, refused, _ = loaded(put(tmp_path / "csv", "l.csv", text, mapping))
    assert refused == []
    shown = [(r["lead_id"], r["lead_source"], r["is_converted"], r["medium"], r["_load_partition"]) for r in rows]
    assert shown == [
        ("N-1", "fair", True, "fair", "2024-01-03"),
        ("S-1", "ad", None, "fair", "2024-01-03"),
    ]
    assert (rows[0]["email_domain"], len(rows[0]["email_hash"])) == ("school.example", 64)
    assert "ann@" not in str(rows).lower() and "Mail" not in rows[0]["_raw"]


@pytest.mark.parametrize("name", sorted(p.stem for p in BUILT_IN.glob("*.yaml")))
def test_built_in_mappings_are_valid(name):
    assert load_mapping(BUILT_IN / f"{name}.yaml").kind == "deals"


def test_a_pipedrive_export_in_the_users_zone_and_language(tmp_path):
    mapping = {
        "base": "pipedrive_deals",
        "time_zone": "Europe/Athens",
        "columns": {"lead_source": None},
        "values": {
            "is_closed": {"offen": False, "gewonnen": True, "verloren": True},
            "is_won": {"gewonnen": True, "*": False},
        },
    }
    text = (
        "Deal - ID,Deal - Title,Deal - Pipeline,Deal - Stage,Deal - Value,Deal - Currency,Deal - Status,"
        "Deal - Lost reason,Deal - Organization,Deal - Owner,Deal - Deal created,Deal - Won time,"
        "Deal - Lost time,Deal - Update time\n"
        "11,A,Sales,Offer,1200,EUR,gewonnen,,School A,Ann Lee,2024-01-02 10:00:00,2024-01-08 09:00,,2024-01-08 09:00\n"
        "12,B,Sales,Demo,800,EUR,verloren,price,School B,Ann Lee,2024-01-03 10:00,,2024-01-09 01:00,2024-01-09 01:00\n"
        "13,C,Sales,Demo,,EUR,offen,,School C,,2024-01-04 10:00:00,,,2024-01-04 10:00:00\n"
        "14,D,Sales,Demo,,EUR,deleted,,School C,,2024-01-04 10:00:00,,,2024-01-04 10:00:00\n"
    )
    rows, refused, _ = loaded(put(tmp_path / "csv", "deals.csv", text, mapping))
    assert [(r["deal_id"], r["is_closed"], r["is_won"]) for r in rows] == [
        ("11", True, True), ("12", True, False), ("13", False, False),
    ]  # fmt: skip
    assert str(rows[1]["closed_at"]) == "2024-01-08 23:00:00" and rows[1]["_load_partition"] == "2024-01-08"
    assert rows[2]["closed_at"] is None and rows[2]["amount"] is None
    assert [(r.field, "values.is_closed" in r.reason) for r in refused] == [("is_closed", True)]
    assert rows[0]["owner_id"] == rows[1]["owner_id"] and "Ann" not in str(rows)


def test_an_open_deals_close_date_is_only_planned(tmp_path):
    text = (
        "Opportunity ID,Opportunity Name,Stage,Amount,Closed,Won,Created Date,Close Date,Last Modified Date\n"
        '006A0000001,A,Proposal,"1,000.00",0,0,1/2/2024,12/31/2027,1/4/2024\n'
        "006a0000001,B,Closed Won,500,1,1,1/2/2024,1/5/2024,1/5/2024\n"
        "Confidential Information - Do Not Distribute\n"
    )
    rows, refused, _ = loaded(put(tmp_path / "csv", "o.csv", text, {"base": "salesforce_opportunities"}))
    assert [r["deal_id"] for r in rows] == ["006A0000001", "006a0000001"]  # case matters
    assert (rows[0]["closed_at"], str(rows[0]["expected_close_at"])) == (None, "2027-12-31 00:00:00")
    assert (str(rows[1]["closed_at"]), rows[1]["expected_close_at"]) == ("2024-01-05 00:00:00", None)
    assert len(refused) == 1


def test_a_hubspot_export_keeps_lists_of_ids(tmp_path):
    text = (
        "Record ID,Deal Name,Deal Stage,Amount,Create Date,Close Date,Last Modified Date,Associated Contact IDs\n"
        "501,A,Closed Won,10,2024-01-02 09:15,2024-01-04 10:00,2024-01-04 10:00,8001;8002\n"
        "502,B,Proposal,10,2024-01-02 09:15,2024-02-04 10:00,2024-01-05 10:00,\n"
    )
    rows, refused, _ = loaded(put(tmp_path / "csv", "h.csv", text, {"base": "hubspot_deals"}))
    assert refused == []
    assert [(r["contact_ids"], r["is_won"], r["is_closed"]) for r in rows] == [
        ('["8001","8002"]', True, True), (None, False, False),
    ]  # fmt: skip
