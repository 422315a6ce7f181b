"""The command line `dreamclass-intel`: the list of commands and nothing else.

Each command's body is a plain function in the package it belongs to and imports what it needs when it runs;
importing this module loads neither Dagster nor pandas nor numpy.
"""

import typer

from dreamclass_intel.xmr.command import xmr

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain text: the same in a terminal, a log and a pipe
)


@app.callback()
def main() -> None:
    """The DreamClass Intelligence Suite."""  # a callback keeps `xmr` a command where it is the only one


app.command("xmr")(xmr)
