"""Files that follow from declarations; a test fails when they drift. `make generate` writes them."""

from collections.abc import Callable
from pathlib import Path

from dreamclass_intel import catalog, dbt_sources
from dreamclass_intel.contracts import Table
from dreamclass_intel.defs.metrics import series_sql
from dreamclass_intel.settings import PROJECT_DIR


def _section(table: Table) -> str:
    rows = "\n".join(
        f"| `{c.name}` | {c.type.value} | {'yes' if c.name in table.required else ''} | {c.unit or ''} | "
        f"{c.description}{f' (personal data: {c.pii})' if c.pii else ''} |"
        for c in table.data_columns
    )
    return (
        f"## {table.address}\n\n{table.description}\n\n"
        f"Key: {', '.join(f'`{k}`' for k in table.row_key)} · partitions: {table.grain.value} · "
        f"write: {table.write.value}\n\n| column | type | required | unit | meaning |\n|---|---|---|---|---|\n{rows}\n"
    )


def tables_page() -> str:
    """docs/tables.md."""
    head = (
        "# Tables\n\nGenerated from the contracts by `make generate`. Every table also has `_load_partition`, "
        "`_loaded_at`, `_run_id` and `_row_hash`. dbt's models describe themselves in `dbt/models`.\n\n"
    )
    return head + "\n".join(_section(t) for _, t in sorted(catalog.tables().items()))


def files() -> dict[Path, Callable[[], str]]:
    """Every generated file and what renders it."""
    return {
        PROJECT_DIR / "docs" / "tables.md": tables_page,
        dbt_sources.PATH: dbt_sources.render,
        dbt_sources.TABLES_PATH: dbt_sources.render_raw_tables,
        **series_sql.FILES,
    }


def generate() -> list[Path]:
    """Write all of them."""
    written = []
    for path, render in files().items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(render(), encoding="utf-8")
        written.append(path)
    return written
