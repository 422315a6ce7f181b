"""From a declared `Table` to a Dagster asset: key, types, units, partitions, retries. One way to make one.

Raw assets are made by `raw_asset`; Python assets over the pure parts take `asset_settings(table)`.
"""

import datetime as dt
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import dagster as dg

from dreamclass_intel.clock import Clock
from dreamclass_intel.contracts import Grain, Table, describe
from dreamclass_intel.http import SourceError
from dreamclass_intel.loads import Data
from dreamclass_intel.partitions import DAY, DEFINITIONS, Days
from dreamclass_intel.records import empty
from dreamclass_intel.settings import Mode, SettingsError, load_settings

DATA_ENGINEERING = "team:data-engineering"
GROWTH = "team:growth"
FINANCE = "team:finance"

# Transport faults are retried inside the client; this covers a vendor that is down for a minute or two.
RETRY = dg.RetryPolicy(max_retries=2, delay=20, backoff=dg.Backoff.EXPONENTIAL, jitter=dg.Jitter.PLUS_MINUS)

# A day is asked for 16 h after its close; late runs and a vendor's bad day are forgiven.
SNAPSHOT_PATIENCE = dt.timedelta(hours=48)


def column_schema(table: Table) -> dg.TableSchema:
    """The contract as Dagster shows it, units and PII handling included."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                c.name,
                c.type.value,
                describe(c),
                dg.TableColumnConstraints(nullable=c.name not in table.required, unique=table.row_key == (c.name,)),
            )
            for c in table.stored_columns
        ]
    )


def asset_settings(table: Table, **overrides: Any) -> dict[str, Any]:
    """Keyword arguments of `dg.asset` that follow from the contract; `overrides` win."""
    settings: dict[str, Any] = {
        "key": [table.schema, table.name],
        "description": table.description,
        "group_name": table.schema,
        "partitions_def": DEFINITIONS[table.grain],
        "metadata": {
            "dagster/column_schema": column_schema(table),
            "dagster/table_name": table.address,
            "write": table.write.value,
            "key": ", ".join(table.key),
        },
        "io_manager_key": "warehouse_io",
        "pool": "warehouse",
        "owners": [DATA_ENGINEERING],
        "kinds": {"python", load_settings().warehouse},
    }
    if table.grain in (Grain.DAILY, Grain.SCORING_WINDOW):
        settings["backfill_policy"] = dg.BackfillPolicy.single_run()
    return {**settings, **overrides}


def raw_asset(
    table: Table,
    *,
    source: str,
    deps: Sequence[Any] = (),
    kinds: frozenset[str] = frozenset(),
) -> Callable[[Callable[..., Data]], dg.AssetsDefinition]:
    """Decorate `fn(context, <resource>) -> Extract` as the raw asset of `table`.

    Adds what all raw assets share: an off source yields typed nothing, a permanent vendor error fails at once
    with its own words, snapshots refuse past days.
    """

    def decorate(fn: Callable[..., Data]) -> dg.AssetsDefinition:
        mode = load_settings().source(source).mode
        note = "" if mode is Mode.LIVE else f"\n\nSource is **{mode.value}**."

        def run(context: dg.AssetExecutionContext, **resources: Any) -> dg.MaterializeResult[Data]:
            if mode is Mode.OFF:
                return dg.MaterializeResult(value=empty(table, {"source": "off"}))
            try:
                return dg.MaterializeResult(value=fn(context, **resources))
            except SourceError as error:
                raise dg.Failure(str(error), allow_retries=not error.permanent) from error
            except SettingsError as error:
                raise dg.Failure(str(error), allow_retries=False) from error

        run.__name__ = fn.__name__
        names = [name for name in fn.__annotations__ if name not in ("context", "return")]
        run.__annotations__ = {
            "context": dg.AssetExecutionContext,
            **{name: fn.__annotations__[name] for name in names},
            "return": dg.MaterializeResult[Data],
        }
        run.__signature__ = _signature(fn)  # type: ignore[attr-defined]
        decorated: dg.AssetsDefinition = dg.asset(
            **asset_settings(
                table,
                group_name=source,
                description=table.description + note,
                kinds={source.replace("_", ""), load_settings().warehouse} | set(kinds),
                tags={"source": source, "source_mode": mode.value, "layer": "raw"},
                retry_policy=RETRY,
                deps=deps,
            )
        )(run)
        return decorated

    return decorate


def _signature(fn: Callable[..., Any]) -> Any:
    signature = inspect.signature(fn)
    return signature.replace(return_annotation=dg.MaterializeResult[Data])


def days(context: dg.AssetExecutionContext) -> Days:
    """The contiguous days this run materialises."""
    return Days.of(context.partition_keys)


def snapshot_day(context: dg.AssetExecutionContext, clock: Clock) -> str:
    """The day a snapshot taken now belongs to: the newest of the run's days, closed for SNAPSHOT_PATIENCE at most.

    Raises dg.Failure for a run of past days only: nobody can photograph last Tuesday.
    """
    wanted, now = Days.of(context.partition_keys), clock.now()
    day = min(wanted.last, clock.newest_day())
    if not wanted.holds(day.isoformat()) or now - dt.datetime.combine(day + DAY, dt.time(), dt.UTC) > SNAPSHOT_PATIENCE:
        raise dg.Failure(
            f"{context.asset_key.to_user_string()} is a snapshot: taken now it belongs to {clock.newest_day()}, "
            f"not to {wanted.start}..{wanted.last}",
            allow_retries=False,
        )
    older = (day - wanted.start).days
    if older:
        context.log.info(f"Snapshot taken for {day}; the {older} older days keep what was stored on the day.")
    return day.isoformat()
