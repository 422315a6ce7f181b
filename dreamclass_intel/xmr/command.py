"""`dreamclass-intel xmr`: the chart of one series from a file, as text, JSON or SVG.

Only the reading of arguments and the printing live here. The library is imported when the command runs, so
that `dreamclass-intel --help` stays quick.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from dreamclass_intel.xmr import Chart, Limits


def xmr(
    file: Annotated[Path, typer.Argument(help="CSV with a header, or a JSON array, oldest value first.")],
    column: Annotated[
        str | None, typer.Option(help="The column (CSV) or key (JSON objects) that holds the series.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Write the chart to this SVG file as well.")] = None,
) -> None:
    """Limits and signals of one series: centre, mean moving range, natural process limits, Wheeler's three
    rules.

    Every value counts for the limits; an empty cell (null in JSON) is a missing window. Six values are
    needed. Exit code 2 with one line on stderr where there is nothing to compute.
    """
    from dreamclass_intel.xmr import SeriesError, analyse, read_series, render_svg

    try:
        series = read_series(file, column)
        chart = analyse(series.values, labels=series.labels)
    except (SeriesError, ValueError) as error:
        _stop(str(error))
    limits = chart.limits
    if limits is None:
        _stop(f"{file}: {chart.verdict[0].lower()}{chart.verdict[1:]}")
    title = series.column or file.stem
    if svg is not None:
        try:
            svg.write_bytes(render_svg(chart, title=title).encode())
        except OSError as error:
            _stop(f"{svg}: {error.strerror or error}")
    _print([_as_json(chart, limits)] if as_json else _as_text(chart, limits, f"{file.name}, {title}", svg))


def _as_json(chart: Chart, limits: Limits) -> str:
    signals = [
        {
            "rule": signal.rule,
            "side": signal.side,
            "start": signal.start,
            "end": signal.end,
            "known_at": signal.known_at,
            "members": list(signal.members),
        }
        for signal in chart.signals
    ]
    figures = {name: getattr(limits, name) for name in ("center", "mr_bar", "unpl", "lnpl", "url", "n")}
    return json.dumps({**figures, "signals": signals}, allow_nan=False)


def _as_text(chart: Chart, limits: Limits, title: str, svg: Path | None) -> list[str]:
    from dreamclass_intel.xmr import words

    figures = (
        ("centre", limits.center),
        ("mean mR", limits.mr_bar),
        ("UNPL", limits.unpl),
        ("LNPL", limits.lnpl),
        ("URL", limits.url),
    )
    lines = [f"{title}: {chart.verdict}", ""]
    lines += [f"{name:<8} {value:.10g}" for name, value in figures]
    lines += [f"{'basis':<8} {words.status(limits)}", ""]
    lines.append(f"signals: {len(chart.signals) or 'none'}")
    for signal in chart.signals:
        lines.append(
            f"  {signal.rule:<14} {words.phrase(chart, signal)}; {signal.strength:.2f} sigma, "
            f"known at {chart.label(signal.known_at)}"
        )
    if chart.notes:
        lines += ["", *(f"note: {note}" for note in chart.notes)]
    if svg is not None:
        lines += ["", f"chart: {svg}"]
    return lines


def _print(lines: list[str]) -> None:
    """Print, with labels from the file made harmless: no control characters, nothing the terminal cannot
    encode.
    """
    clean = "\n".join("".join(ch if ch.isprintable() else "\ufffd" for ch in line) for line in lines)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    typer.echo(clean.encode(encoding, "replace").decode(encoding))


def _stop(message: str) -> NoReturn:
    """One line on stderr, exit code 2."""
    clean = "".join(ch if ch.isprintable() else " " for ch in message)
    typer.echo(f"dreamclass-intel xmr: {' '.join(clean.split())}", err=True)
    raise typer.Exit(2)
