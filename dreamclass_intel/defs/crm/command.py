"""`dreamclass-intel import-crm`: load one CSV export into the warehouse through the very asset that loads daily.

Only arguments and printing live here; Dagster is imported when the command runs.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    import datetime as dt


def import_csv(
    file: Annotated[Path, typer.Argument(help="CSV export of leads, deals, companies or contacts.")],
    mapping: Annotated[Path, typer.Option(help="YAML file that maps its columns to ours.")],
    as_of: Annotated[str | None, typer.Option(help="Date (YYYY-MM-DD) of the rows of a file without dates.")] = None,
) -> None:
    """Import one CRM export into the configured warehouse: every day that the file has rows of.

    Importing again changes nothing. Rows that cannot be read go to raw.quarantine with file, row, field and
    reason. Exit code 2 with one line on stderr where the file does not fit its mapping.
    """
    import datetime as dt

    from dreamclass_intel.contracts import ContractError
    from dreamclass_intel.defs.crm.csv_files import CsvFile
    from dreamclass_intel.defs.crm.csv_import import span
    from dreamclass_intel.defs.crm.csv_mapping import PERSONAL_TARGETS, load_mapping
    from dreamclass_intel.http import SourceError
    from dreamclass_intel.partitions import START
    from dreamclass_intel.settings import Mode, SettingsError, load_settings

    try:
        settings = load_settings()
        if settings.crm.mode is Mode.OFF:
            _stop("the CRM is switched off (CRM_MODE=off)")
        rules = load_mapping(mapping, dt.date.fromisoformat(as_of) if as_of else None)
        hashes = set(PERSONAL_TARGETS) & set(rules.columns)
        if hashes and settings.pii_key.get_secret_value() == "sandbox-only-key":
            _stop(f"set PII_KEY first (any long random text): the mapping hashes {', '.join(sorted(hashes))}")
        found = span(CsvFile(file, rules))
        newest = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
        first, last = max(found[0], START) if found else START, min(found[1], newest) if found else START
        if first > last:
            _stop(f"{file.name}: no row is dated between START_DATE ({START}) and yesterday")
        result = _materialise(rules.kind, file, mapping, as_of, first, last)
    except (ContractError, SourceError, SettingsError, ValueError, OSError) as error:
        _stop(str(error))
    for line in _words(file, rules.table.address, result, first, last):
        typer.echo(line)


def _materialise(
    kind: str, file: Path, mapping: Path, as_of: str | None, first: "dt.date", last: "dt.date"
) -> dict[str, Any]:
    """One ranged run of the kind's raw asset over this file; its metadata."""
    import os
    import warnings

    import dagster as dg

    warnings.filterwarnings("ignore", category=dg.BetaWarning)

    from dreamclass_intel.clock import Clock
    from dreamclass_intel.defs.crm import assets
    from dreamclass_intel.defs.crm.client import CrmResource
    from dreamclass_intel.warehouse.io_manager import WarehouseIOManager, WarehouseResource

    asset: dg.AssetsDefinition = getattr(assets, f"crm_{kind}")
    crm = CrmResource(csv_file=str(file), csv_mapping=str(mapping), csv_as_of=as_of)
    warehouse = WarehouseResource()
    job = dg.Definitions(
        assets=[asset],
        resources={
            "clock": Clock(),
            "crm": crm,
            "warehouse": warehouse,
            "warehouse_io": WarehouseIOManager(warehouse=warehouse),
        },
        jobs=[dg.define_asset_job("import_crm", selection="*")],
        executor=dg.in_process_executor,
    ).resolve_job_def("import_crm")
    tags = {
        "dagster/asset_partition_range_start": first.isoformat(),
        "dagster/asset_partition_range_end": last.isoformat(),
    }
    # With a Dagster home the import shows among the runs of the UI like any other.
    recorded = bool(os.environ.get("DAGSTER_HOME"))
    with dg.DagsterInstance.get() if recorded else dg.DagsterInstance.ephemeral() as instance:
        run = job.execute_in_process(
            run_config={"loggers": {"console": {"config": {"log_level": "ERROR"}}}},
            instance=instance,
            tags=tags,
        )
        event = run.get_asset_materialization_events()[-1]
        return {name: value.value for name, value in event.materialization.metadata.items()}


def _words(file: Path, table: str, result: dict[str, Any], first: "dt.date", last: "dt.date") -> list[str]:
    rows, refused = result["dagster/partition_row_count"], result["quarantined"]
    days = f"{first}" if first == last else f"{first} to {last}"
    lines = [f"{file.name}: {rows} of {result['rows_read']} rows imported into {table} ({days})"]
    lines.append(f"quarantined: {refused}" + (" (see raw.quarantine)" if refused else ""))
    others = {
        "rows_superseded": "older versions of rows imported",
        "rows_before_start_date": "before START_DATE, not imported",
        "rows_of_other_days": "dated today or later, to be imported when their day is over",
    }
    lines += [f"{words}: {result[name]}" for name, words in others.items() if result[name]]
    if unused := result["csv_columns_not_loaded"].get(file.name):
        lines.append(f"columns not loaded: {', '.join(unused)}")
    return lines


def _stop(message: str) -> NoReturn:
    typer.echo(f"dreamclass-intel import-crm: {' '.join(message.split())}", err=True)
    raise typer.Exit(2)
