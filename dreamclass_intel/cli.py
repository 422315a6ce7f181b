"""The command line `dreamclass-intel`: the list of commands and nothing else.

Each command's body is a plain function in the package it belongs to and imports what it needs when it runs;
importing this module loads neither Dagster nor pandas nor numpy.
"""

import os
import sys
from typing import Annotated

import typer

from dreamclass_intel.defs.crm.command import import_csv
from dreamclass_intel.defs.xmr.command import rebaseline
from dreamclass_intel.doctor.command import doctor
from dreamclass_intel.warehouse.command import copy_warehouse
from dreamclass_intel.xmr.command import xmr

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text: the same in a terminal, a log and a pipe
)


@app.callback()
def main() -> None:
    """The DreamClass Intelligence Suite."""


app.command("xmr")(xmr)
app.command("import-crm")(import_csv)
app.command("doctor")(doctor)
app.command("copy-warehouse")(copy_warehouse)
app.add_typer(rebaseline, name="rebaseline")


@app.command("up")
def up_command() -> None:
    """Start the sandbox, bring the warehouse up to date, start the Dagster UI (make run)."""
    from dreamclass_intel.settings import SettingsError
    from dreamclass_intel.up import UpError, up

    try:
        up()
    except (UpError, SettingsError) as error:
        _fail(str(error))


@app.command("update")
def update_command(
    alerts: Annotated[bool, typer.Option("--alerts", help="Then send alerts for the newest periods.")] = False,
) -> None:
    """Load what is missing up to the newest ready day, without daemon or UI."""
    _check_settings()
    from dreamclass_intel.up import environment

    os.environ.update(environment())
    from dreamclass_intel.defs.monitoring.client import DeliveryError
    from dreamclass_intel.http import SourceError
    from dreamclass_intel.settings import SettingsError
    from dreamclass_intel.update import UpdateError, update

    try:
        update(lambda line: print(line, flush=True), alerts=alerts)
    except (UpdateError, SettingsError, SourceError, DeliveryError) as error:
        _fail(str(error))


@app.command("sandbox")
def sandbox_command() -> None:
    """Serve the stand-in vendors on loopback until stopped."""
    _check_settings()
    from dreamclass_intel.sandbox.servers.server import serve
    from dreamclass_intel.settings import SettingsError

    try:
        serve()
    except SettingsError as error:
        _fail(str(error))


@app.command("advance")
def advance_command(days: Annotated[int, typer.Option(min=1, help="How many days the sandbox moves on.")] = 14) -> None:
    """Move the running sandbox's clock on: the vendors publish, the sensors follow."""
    _check_settings()
    from dreamclass_intel.http import SourceError
    from dreamclass_intel.sandbox.advance import advance

    try:
        typer.echo(advance(days))
    except (SourceError, OSError) as error:
        _fail(f"The sandbox does not answer (make run starts it): {error}")


@app.command("generate")
def generate_command() -> None:
    """Write the files that follow from contracts and registry: dbt sources, metric_series, docs/tables.md."""
    _check_settings()
    from dreamclass_intel.generate import generate

    for path in generate():
        typer.echo(path)


def _check_settings() -> None:
    """Before anything is imported that reads them."""
    from dreamclass_intel.settings import SettingsError, load_settings

    try:
        load_settings().check()
    except SettingsError as error:
        _fail(str(error))


def _fail(message: str) -> None:
    typer.echo(f"dreamclass-intel: {message}", err=True)
    sys.exit(1)


if __name__ == "__main__":
    app()
