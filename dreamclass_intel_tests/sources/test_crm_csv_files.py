"""CRM exports as CSV: the files people really send."""

import datetime as dt
from decimal import Decimal

import pytest

from dreamclass_intel.defs.crm import csv_import, tables
from dreamclass_intel.defs.crm.csv_mapping import BUILT_IN, MappingError, load_mapping
from dreamclass_intel.partitions import Days
from dreamclass_intel.settings import load_settings
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse
from dreamclass_intel_tests.sources.crm_exports import DEALS, HEADER, JANUARY, deals, loaded, put


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
