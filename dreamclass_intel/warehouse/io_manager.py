"""The range-aware IO manager: assets return Arrow or an `Extract`, partitions are replaced atomically."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import pandas as pd
import pyarrow as pa

from dreamclass_intel import catalog
from dreamclass_intel.contracts import PARTITION, ContractError, Grain, Table
from dreamclass_intel.http import SourceError
from dreamclass_intel.loads import Data, Extract
from dreamclass_intel.records import conform
from dreamclass_intel.settings import BigQuerySettings, load_settings
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse
from dreamclass_intel.warehouse.protocol import Warehouse


@cache
def _bigquery(settings: BigQuerySettings, spool: Path) -> Warehouse:
    # Its client takes seconds to import and a moment to find credentials: once a process, and never for DuckDB.
    from dreamclass_intel.warehouse.bigquery import BigQueryWarehouse

    return BigQueryWarehouse(settings, spool)


class WarehouseResource(dg.ConfigurableResource):
    """The configured warehouse, for assets and checks that query it themselves."""

    def backend(self) -> Warehouse:
        """The backend that WAREHOUSE names."""
        settings = load_settings()
        if settings.warehouse == "bigquery":
            return _bigquery(settings.bigquery, settings.state_dir / "spool")
        return DuckDBWarehouse(settings.database, memory_limit=settings.duckdb_memory_limit)

    def read(self, query: str, parameters: Sequence[Any] = ()) -> pa.Table:
        """Run a query with bound `?` parameters."""
        return self.backend().read(query, parameters)

    def name(self, address: str) -> str:
        """`schema.table` as the warehouse's SQL calls it."""
        return self.backend().name(address)

    def within(self, column: str) -> str:
        """The condition that a column is in a list bound as one `?`."""
        return self.backend().within(column)


class WarehouseIOManager(dg.ConfigurableIOManager):
    """Stores an asset's output in its declared table and loads it back.

    Output: `Extract` (rows carry `_load_partition`), or an Arrow table / pandas frame for one partition or an
    unpartitioned table. Input: `pa.Table` or `pd.DataFrame` by annotation, restricted to the partitions that
    the mapping names.
    """

    warehouse: dg.ResourceDependency[WarehouseResource]

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write; row counts and refusals become the materialisation's metadata."""
        table = catalog.table(".".join(context.asset_key.path))
        keys = context.asset_partition_keys if context.has_asset_partitions else None
        partitions = list(keys) if keys is not None else None
        data = _extract(table, obj, partitions)
        backend = self.warehouse.backend()
        try:
            result = backend.write(table, partitions, data, context.run_id)
        except SourceError as error:
            # Assets stream, so a vendor may refuse only now; its words must reach the run all the same.
            raise dg.Failure(str(error), allow_retries=not error.permanent) from error
        except ContractError as error:  # the same data would be refused again
            raise dg.Failure(str(error), allow_retries=False) from error
        except Exception as error:
            if backend.is_permanent(error):
                raise dg.Failure(str(error), allow_retries=False) from error
            raise
        context.add_output_metadata(
            {
                "dagster/row_count" if partitions is None else "dagster/partition_row_count": result.rows,
                "duplicates_dropped": result.duplicates,
                "quarantined": result.rejected,
                **result.statistics,
                **data.metadata,
            }
        )

    def load_input(self, context: dg.InputContext) -> Any:
        """Read the stored rows back."""
        table = catalog.table(".".join(context.asset_key.path))
        backend = self.warehouse.backend()
        backend.ensure([table])
        query = f"SELECT * FROM {backend.name(table.address)}"
        if context.has_asset_partitions and table.grain is not Grain.NONE:
            keys = list(context.asset_partition_keys)
            found = backend.read(f"{query} WHERE {backend.within(PARTITION.name)}", [keys])
        else:
            found = backend.read(query)
        found = found.select([c.name for c in table.stored_columns])  # BigQuery's has its partitioning day besides
        return found.to_pandas() if context.dagster_type.typing_type is pd.DataFrame else found


def _extract(table: Table, obj: Any, partitions: list[str] | None) -> Data:
    if isinstance(obj, Data):
        return obj
    if isinstance(obj, pd.DataFrame):
        obj = pa.Table.from_pandas(obj, preserve_index=False)
    if not isinstance(obj, pa.Table):
        raise TypeError(f"{table.address}: an asset returns an Extract, a pa.Table or a DataFrame, not {type(obj)}")
    if PARTITION.name not in obj.column_names:
        if partitions is not None and len(partitions) > 1:
            raise TypeError(f"{table.address}: rows of a range need a {PARTITION.name} column")
        conformed = conform(table, obj, partitions[0] if partitions else "all")
    else:
        conformed = conform(table, obj)
    return Extract(iter(conformed.to_batches()))
