"""Both warehouses as the contract suite sees them: opened anywhere, altered by hand, looked into."""

from pathlib import Path
from typing import Any, NamedTuple

from dreamclass_intel.settings import BigQuerySettings
from dreamclass_intel.warehouse.bigquery import BigQueryWarehouse
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse

Store = DuckDBWarehouse | BigQueryWarehouse
PROJECT = "school-1"


class Place(NamedTuple):
    """Where a store is; another process can open it again."""

    kind: str
    folder: Path
    prefix: str = ""
    endpoint: str = ""

    def open(self, **settings: Any) -> Store:
        """The warehouse there. `settings`: of BigQuery."""
        settings = {"retry_s": 5, **settings}
        if self.kind == "duckdb":
            return DuckDBWarehouse(self.folder / "w.duckdb")
        return BigQueryWarehouse(
            BigQuerySettings(project=PROJECT, dataset_prefix=self.prefix, api_endpoint=self.endpoint, **settings),
            self.folder / "spool",
        )


def rows(store: Store, columns: str = "id, number, _load_partition") -> list[tuple[Any, ...]]:
    """Rows of `raw.things`, in order of their columns."""
    order = ", ".join(str(n) for n in range(1, columns.count(",") + 2))
    found = store.read(f"SELECT {columns} FROM {store.name('raw.things')} ORDER BY {order}")
    return [tuple(row.values()) for row in found.to_pylist()]


def by_hand(store: Store, *statements: str) -> None:
    """Run statements past the warehouse's own ways; `{things}` is the table."""
    for statement in statements:
        statement = statement.format(things=store.name("raw.things"))
        if isinstance(store, DuckDBWarehouse):
            with store.connect() as con:
                con.execute(statement)
        else:
            store.client.query(statement).result()


def leftovers(store: Store) -> list[str]:
    """What loads have left lying: spooled files, staging tables."""
    if isinstance(store, DuckDBWarehouse):
        return [path.name for path in (store.path.parent / "spool").iterdir()]
    tables = store.client.list_tables(f"{PROJECT}.{store.settings.dataset_prefix}raw")
    staged = [table.table_id for table in tables if "__load_" in table.table_id]
    return [path.name for path in store.spool.iterdir()] + staged
