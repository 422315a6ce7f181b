"""Exports for the CRM tests: files with their mappings, and what is loaded of them."""

import csv
import datetime as dt
import random
from pathlib import Path
from typing import Any

import yaml

from dreamclass_intel.defs.crm import csv_import
from dreamclass_intel.defs.crm.csv_files import CsvFile
from dreamclass_intel.defs.crm.csv_mapping import load_mapping
from dreamclass_intel.partitions import Days
from dreamclass_intel_tests.conftest import REPOSITORY, SHARED

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
