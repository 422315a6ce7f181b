"""`dreamclass-intel rebaseline`: see, record and decide rebaseline proposals. Only arguments and printing live here."""

import datetime as dt
import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from dreamclass_intel.warehouse.protocol import Warehouse

rebaseline = typer.Typer(
    no_args_is_help=True, help="New limits for charts: what the evidence proposes, and what people decide."
)
Metric = Annotated[str, typer.Argument(help="Metric of the registry.")]
At = Annotated[str, typer.Argument(help="Label of the first period of the new level, for example 2025-W31.")]
Why = Annotated[str, typer.Option(help="The reason, which the chart will show.")]
Who = Annotated[str, typer.Option(help="Who decides.")]
Kind = Annotated[str | None, typer.Option(help="shift or trend, where both are proposed at that period.")]


@rebaseline.command("list")
def list_proposals() -> None:
    """The proposals that wait for a decision, and those still open."""
    from dreamclass_intel.defs.xmr.proposals import rows_of
    from dreamclass_intel.defs.xmr.series import current_charts

    with _refusals():
        rows = [
            row
            for _, made in current_charts(_warehouse())
            if not isinstance(made, str)
            for row in rows_of(made)
            if row["state"] in ("proposed", "open")
        ]
    for row in rows:
        typer.echo(f"{row['state']:<9} {row['metric_id']} {row['label']}: {row['evidence']}")
    if not rows:
        typer.echo("Nothing is proposed.")


@rebaseline.command("record")
def record() -> None:
    """Write new proposals into the decisions file, accepted where the registry says auto."""
    from dreamclass_intel.defs.xmr import decisions
    from dreamclass_intel.defs.xmr.rebaseline import record_proposals

    with _refusals():
        new = record_proposals(_warehouse(), _today())
    for made in new:
        typer.echo(f"{made.state:<9} {made.metric} {made.at}: {made.evidence}")
    typer.echo(f"{len(new)} new in {decisions.PATH}" if new else "Nothing new.")


@rebaseline.command("accept")
def accept(metric: Metric, at: At, why: Why, who: Who = "", kind: Kind = None) -> None:
    """Take a proposal: new limits from that period on, with the reason on the chart."""
    _settle(metric, at, "accepted", why, who, kind)


@rebaseline.command("reject")
def reject(metric: Metric, at: At, why: Why, who: Who = "", kind: Kind = None) -> None:
    """Leave the limits as they are; the proposal is not made again."""
    _settle(metric, at, "rejected", why, who, kind)


def _settle(metric: str, at: str, state: Literal["accepted", "rejected"], why: str, who: str, kind: str | None) -> None:
    from dreamclass_intel.defs.xmr import decisions
    from dreamclass_intel.defs.xmr.rebaseline import settle

    with _refusals():
        made = settle(
            _warehouse(),
            metric,
            at,
            state,
            who=who or getpass.getuser(),
            why=why,
            today=_today(),
            kind=kind,  # type: ignore[arg-type]  # settle() says which there are
        )
    typer.echo(f"{made.metric} at {made.at}: {made.state} by {made.who}. Commit {decisions.PATH}")
    if made.kind == "trend" and state == "accepted":
        typer.echo("A trend is no divider: give the metric `trend: true` in registry.yaml.")


def _today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


def _warehouse() -> "Warehouse":
    from dreamclass_intel.warehouse.io_manager import WarehouseResource

    return WarehouseResource().backend()


@contextmanager
def _refusals() -> Iterator[None]:
    """One line on stderr and exit code 2 for what cannot be done."""
    import duckdb
    from google.api_core.exceptions import GoogleAPIError

    from dreamclass_intel.settings import SettingsError

    try:
        yield
    except (ValueError, OSError, SettingsError, duckdb.Error, GoogleAPIError) as error:
        typer.echo(f"dreamclass-intel rebaseline: {' '.join(str(error).split())}", err=True)
        raise typer.Exit(2) from None
