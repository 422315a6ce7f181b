"""Generated files equal what their renderer says; `make generate` mends a difference."""

import pytest

from dreamclass_intel import catalog, dbt_sources
from dreamclass_intel import generate as module
from dreamclass_intel.generate import files, generate, tables_page
from dreamclass_intel.settings import PROJECT_DIR


def test_all_generated_files_are_known():
    assert {str(path.relative_to(PROJECT_DIR)) for path in files()} >= {
        "docs/tables.md",
        "dbt/models/sources.yml",
        "dbt/macros/raw_tables.sql",
        "dbt/models/marts/metrics/metric_series.sql",
    }


@pytest.mark.parametrize("path", files(), ids=lambda p: str(p.relative_to(PROJECT_DIR)))
def test_no_generated_file_has_drifted(path):
    assert path.read_text(encoding="utf-8") == files()[path](), f"run `make generate`: {path} is out of date"


def test_generate_writes_what_the_renderers_say(tmp_path, monkeypatch):
    target = tmp_path / "new" / "file.md"
    monkeypatch.setattr(module, "files", lambda: {target: lambda: "größer\n"})
    assert generate() == [target]
    assert target.read_text(encoding="utf-8") == "größer\n"


def test_the_tables_page_names_every_column():
    page = tables_page()
    for table in catalog.tables().values():
        section = page.split(f"\n## {table.address}\n")[1].split("\n## ")[0]
        for column in table.data_columns:
            (line,) = [row for row in section.splitlines() if row.startswith(f"| `{column.name}` |")]
            assert ("| yes |" in line) == (column.name in table.required)
            assert (column.unit or "") in line


def test_dbt_knows_how_every_raw_table_is_written():
    rendered = dbt_sources.render_raw_tables()
    raw = [t for t in catalog.tables().values() if t.schema == "raw" and t.name != "quarantine"]
    assert all(f"'{t.name}': '{t.write.value}'," in rendered for t in raw)
    assert rendered.count("': '") == len(raw)
