"""`dreamclass-intel doctor`: arguments and printing; everything else loads when it runs."""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with every finding.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Warnings, too, give exit code 1.")] = False,
) -> None:
    """Is every source and the warehouse configured, reachable, permitted, within its quota and on time?

    Asks each vendor for as little as it can, all at once, in less than 15 seconds; prints no secret. Exit code 0
    when nothing is wrong (warnings are shown), 1 when something is.
    """
    from dreamclass_intel.doctor import render
    from dreamclass_intel.doctor.examine import examine
    from dreamclass_intel.doctor.report import exit_code
    from dreamclass_intel.settings import SettingsError, load_settings

    with _quiet():
        reports = examine()
    try:
        hidden = render.secrets(load_settings())
    except SettingsError:
        hidden = []  # its words hold no values
    reports = render.masked(reports, hidden)
    text = render.as_json(reports, strict=strict) if as_json else render.as_text(reports)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    typer.echo(text.encode(encoding, "replace").decode(encoding))
    raise typer.Exit(exit_code(reports, strict=strict))


@contextmanager
def _quiet() -> Iterator[None]:
    """Libraries' own warnings stay unsaid: they quote URLs and headers, and the report says it better."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
