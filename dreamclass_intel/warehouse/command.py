"""`dreamclass-intel copy-warehouse`: arguments and printing; everything else loads when it runs."""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from dreamclass_intel.settings import Settings
    from dreamclass_intel.warehouse.protocol import Warehouse


class Kind(StrEnum):
    """The warehouses."""

    DUCKDB = "duckdb"
    BIGQUERY = "bigquery"


def copy_warehouse(
    to: Annotated[Kind, typer.Option(help="The warehouse to copy into; the other one is read.")],
    table: Annotated[list[str] | None, typer.Option(help="Only this table (raw.stripe_events); repeatable.")] = None,
) -> None:
    """Copy every declared table, with its history, into the other warehouse, and prove that each arrived.

    Run again, it goes on where it stopped; tables that are equal already are passed over. Nothing may load
    meanwhile. Exit code 1 when a table is not equal on both sides.
    """
    import duckdb
    from filelock import Timeout
    from google.api_core.exceptions import GoogleAPIError
    from google.auth.exceptions import GoogleAuthError

    from dreamclass_intel import catalog
    from dreamclass_intel.contracts import ContractError
    from dreamclass_intel.run_launcher import update_lock
    from dreamclass_intel.settings import SettingsError, load_settings
    from dreamclass_intel.warehouse.copying import CopyError, copy

    try:
        settings = load_settings()
        settings.check()
        declared = catalog.tables()
        if unknown := sorted(set(table or ()) - set(declared)):
            _fail(f"no such table is declared: {', '.join(unknown)}")
        source, target = _opened(settings, _other(to)), _opened(settings, to, make=True)
        failed, rows = list[str](), 0
        with update_lock():
            for address in table or sorted(declared):
                try:
                    done = copy(declared[address], source, target, lambda line, of=address: _say(f"  {of}: {line}"))  # type: ignore[misc]
                except (CopyError, ContractError) as error:
                    failed.append(address)
                    _say(f"NOT EQUAL  {error}")
                    continue
                if done is None:
                    _say(f"{address}: not in {_other(to).value}, nothing to copy")
                    continue
                rows += done.rows
                copied = f"{done.rows:,} copied, " if done.rows else ""
                _say(f"{address}: {copied}{done.held:,} rows, equal on both sides ({done.content[:12]})")
    except Timeout:
        _fail("an update is running: wait for its end")
    except (SettingsError, GoogleAPIError, GoogleAuthError, duckdb.Error, OSError) as error:
        _fail(f"{' '.join(str(error).split())[:500]}; what was copied stays: run it again to go on")
    if failed:
        _fail(f"{len(failed)} tables are not equal on both sides: {', '.join(failed)}")
    _say(f"{rows:,} rows copied; every table is equal on both sides. Now set WAREHOUSE={to.value} and run `update`.")


def _other(kind: Kind) -> Kind:
    return Kind.DUCKDB if kind is Kind.BIGQUERY else Kind.BIGQUERY


def _opened(settings: "Settings", kind: Kind, *, make: bool = False) -> "Warehouse":
    from dreamclass_intel.settings import SettingsError
    from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse

    if kind is Kind.DUCKDB:
        if not make and not settings.database.exists():
            raise SettingsError(f"there is no {settings.database} to copy from")
        return DuckDBWarehouse(settings.database, memory_limit=settings.duckdb_memory_limit)
    from dreamclass_intel.warehouse.bigquery import BigQueryWarehouse

    return BigQueryWarehouse(settings.bigquery, settings.state_dir / "spool")


def _say(line: str) -> None:
    typer.echo(line)


def _fail(message: str) -> NoReturn:
    typer.echo(f"dreamclass-intel: {message}", err=True)
    raise typer.Exit(1)
