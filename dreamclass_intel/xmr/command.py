"""`dreamclass-intel xmr`: the chart of one series from a file, as text, JSON or SVG.

Only the reading of arguments and the printing live here. The library is imported when the command runs, so
that `dreamclass-intel --help` stays quick.
"""

from __future__ import annotations

import dataclasses
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

if TYPE_CHECKING:
    from dreamclass_intel.xmr import Advice, Baseline, Chart, Limits, Proposal, Series


def xmr(
    file: Annotated[Path, typer.Argument(help="CSV with a header, or a JSON array, oldest value first.")],
    column: Annotated[
        str | None, typer.Option(help="The column (CSV) or key (JSON objects) that holds the series.")
    ] = None,
    denominator: Annotated[
        str | None, typer.Option(help="The column that says what each value is a rate of: limits follow it.")
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--chart",
            help="The kind of chart: xmr, or with --denominator i_prime (the defaults); p, p_prime, u, u_prime; g, t.",
        ),
    ] = None,
    preset: Annotated[str, typer.Option(help="The rules to judge by.")] = "wheeler",
    baseline: Annotated[
        str | None,
        typer.Option(metavar="COUNT|START:STOP", help="Lock the limits on the first COUNT windows, or on a range."),
    ] = None,
    divider: Annotated[
        list[str] | None,
        typer.Option(metavar="WINDOW[=REASON]", help="New limits from this window on (label or index); repeatable."),
    ] = None,
    propose: Annotated[
        bool,
        typer.Option("--propose", help="Say where the evidence asks for new limits, in JSON also for another chart."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
    svg: Annotated[Path | None, typer.Option(help="Write the chart to this SVG file as well.")] = None,
) -> None:
    """Limits and signals of one series: centre, mean moving range, natural process limits, the rules of a preset.

    Every value counts for the limits unless --baseline or --divider says otherwise; an empty cell (null in
    JSON) is a missing window. Six values are needed. Windows are counted from 0 and ranges end before STOP.
    Exit code 2 with one line on stderr where there is nothing to compute.
    """
    from dreamclass_intel.xmr import SeriesError, read_series, render_svg
    from dreamclass_intel.xmr import propose as find_proposals

    try:
        series = read_series(file, column, denominator)
        reasons = dict(_divider(text, series) for text in divider or ())
        chart = _chart(series, kind, preset, _baseline(baseline), sorted(reasons))
        proposals = find_proposals(chart) if propose else None
    except (SeriesError, ValueError) as error:
        _stop(str(error))
    limits = chart.limits
    if limits is None:
        _stop(f"{file}: {chart.verdict[0].lower()}{chart.verdict[1:]}")
    title = series.column or file.stem
    if svg is not None:
        try:
            svg.write_bytes(render_svg(chart, title=title, reasons=reasons).encode())
        except OSError as error:
            _stop(f"{svg}: {error.strerror or error}")
    if as_json:
        _print([_as_json(chart, limits, reasons, proposals)])
    else:
        _print(_as_text(chart, limits, f"{file.name}, {title}", reasons, proposals, svg))


def _chart(series: Series, kind: str | None, preset: str, baseline: Baseline | None, dividers: list[int]) -> Chart:
    from dreamclass_intel.xmr import analyse

    return analyse(
        series.values,
        labels=series.labels,
        preset=preset,
        baseline=baseline,
        dividers=dividers,
        chart=kind or ("xmr" if series.denominators is None else "i_prime"),
        denominators=series.denominators,
    )


def _baseline(text: str | None) -> Baseline | None:
    from dreamclass_intel.xmr import Baseline

    if text is None:
        return None
    parts = text.split(":")
    if len(parts) > 2 or not all(part.strip().isdecimal() for part in parts):
        raise ValueError(f"--baseline is a count of windows or a range START:STOP, not {text!r}")
    numbers = [int(part) for part in parts]
    try:
        return Baseline(count=numbers[0]) if len(numbers) == 1 else Baseline(start=numbers[0], stop=numbers[1])
    except ValueError as error:
        raise ValueError(f"--baseline {text}: {error}") from None


def _divider(text: str, series: Series) -> tuple[int, str]:
    """(index, reason) of one --divider: a label of the file first, an index otherwise."""
    labels = series.labels or []
    window, reason = (text, "") if text in labels else (part.strip() for part in (*text.split("=", 1), "")[:2])
    if labels.count(window) > 1:
        raise ValueError(f"--divider {window!r}: more than one window has this label: use its index")
    if window in labels:
        index = labels.index(window)
    elif window.isdecimal():
        index = int(window)
    else:
        raise ValueError(f"--divider {window!r}: no window has this label")
    if not 0 < index < len(series.values):
        raise ValueError(f"--divider {window!r}: a divider lies between windows 1 and {len(series.values) - 1}")
    return index, reason


def _as_json(chart: Chart, limits: Limits, reasons: dict[int, str], proposals: tuple[Proposal, ...] | None) -> str:
    """All events of all segments; the limits of the newest. Segments and proposals where they were asked for."""
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
    found: dict[str, Any] = {**_figures(limits), "signals": signals}
    if reasons:
        found["segments"] = [
            {
                "start": segment.start,
                "stop": segment.stop,
                "reason": reasons.get(segment.start) or None,
                "limits": None if segment.limits is None else _figures(segment.limits),
            }
            for segment in chart.segments
        ]
    if proposals is not None:
        found["proposals"] = [_plain(proposal) for proposal in proposals]
        found["advice"] = [_plain(one) for one in chart.advice()]
    return json.dumps(found, allow_nan=False)


def _plain(found: Proposal | Advice) -> dict[str, Any]:
    """Its fields; null for a statistic without bounds (a straight line has no scatter)."""
    fields = dataclasses.asdict(found)
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in fields.items()}


def _figures(limits: Limits) -> dict[str, float | int]:
    """The limits' figures; of a rate those of a window of size `denominator`."""
    found = {name: getattr(limits, name) for name in ("center", "mr_bar", "unpl", "lnpl", "url", "n")}
    return found if limits.denominator is None else {**found, "denominator": limits.denominator}


def _as_text(
    chart: Chart,
    limits: Limits,
    title: str,
    reasons: dict[int, str],
    proposals: tuple[Proposal, ...] | None,
    svg: Path | None,
) -> list[str]:
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
    size = "" if limits.denominator is None else f", for a window of {limits.denominator:.10g}"
    lines += [f"{'basis':<8} {words.status(limits)}{size}", ""]
    for segment in chart.segments if reasons else ():
        told = "no limits" if segment.limits is None else words.status(segment.limits)
        if segment.limits is not None:
            told += f", {segment.limits.lnpl:.10g} to {segment.limits.unpl:.10g}"
        why = reasons.get(segment.start, "")
        lines.append(f"from {chart.label(segment.start)}: {told}{f' ({why})' * bool(why)}")
    lines += [""] * bool(reasons)
    lines.append(f"signals: {len(chart.signals) or 'none'}")
    for signal in chart.signals:
        lines.append(
            f"  {signal.rule:<14} {words.phrase(chart, signal)}; {signal.strength:.2f} sigma, "
            f"known at {chart.label(signal.known_at)}"
        )
    if chart.notes:
        lines += ["", *(f"note: {note}" for note in chart.notes)]
    if advice := chart.advice():
        lines += ["", *(f"advice: {one.words}{f'; {one.suggests}' * bool(one.suggests)}" for one in advice)]
    if proposals is not None:
        lines += ["", f"proposals: {len(proposals) or 'none'}", *(f"  {found.sentence}" for found in proposals)]
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
