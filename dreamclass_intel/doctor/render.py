"""A table for people, JSON for scripts. No secret gets past `masked`, whoever wrote the text."""

import json
from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from pydantic import SecretStr

from dreamclass_intel.doctor.report import Aspect, Level, Report, at_level, exit_code
from dreamclass_intel.settings import SOURCES, Settings

SHORTEST = 6  # characters of a secret that are looked for; fewer would blank out words
STEM = 10  # messages are cut off somewhere: so much of a secret is enough to know it by


def secrets(settings: Settings) -> list[str]:
    """Every secret that settings hold, the longest first: keys, alert URLs, passwords inside URLs; as HTTP writes
    them, too.
    """
    found: set[str] = set()
    for owner in (settings, *(settings.source(name) for name in SOURCES)):
        for field in type(owner).model_fields:
            value = getattr(owner, field)
            if isinstance(value, SecretStr):
                found |= {value.get_secret_value(), *(part.strip() for part in value.get_secret_value().split(","))}
            elif isinstance(value, str) and "@" in value:
                found |= set(_passwords(value))
    found = {s for s in found if len(s) >= SHORTEST}
    found |= {quote(s, safe="") for s in found} | {b64encode(f"{s}:".encode()).decode() for s in found}
    return sorted(found, key=len, reverse=True)


def _passwords(url: str) -> Iterable[str]:
    try:
        password = urlsplit(url).password
    except ValueError:
        return ()
    return (password, unquote(password)) if password else ()


def _blanked(text: str, secret: str) -> str:
    stem, at = secret[:STEM], 0
    while (at := text.find(stem, at)) >= 0:
        end = at + len(stem)
        while text[end : end + 1] == secret[end - at : end - at + 1] != "":
            end += 1
        text = f"{text[:at]}***{text[end:]}"
        at += 3
    return text


def masked(reports: Sequence[Report], hidden: Sequence[str]) -> list[Report]:
    """The reports with every secret in their texts replaced, and nothing that a terminal would act on."""

    def clean(text: str) -> str:
        for secret in hidden:
            text = _blanked(text, secret)
        return "".join(ch if ch.isprintable() else " " for ch in text)

    return [
        replace(r, findings=tuple(replace(f, shown=clean(f.shown), detail=clean(f.detail)) for f in r.findings))
        for r in reports
    ]


def as_json(reports: Sequence[Report], *, strict: bool = False) -> str:
    """Everything found; `exit_code` is the command's."""
    body: dict[str, Any] = {
        "exit_code": exit_code(reports, strict=strict),
        "problems": len(at_level(reports, Level.PROBLEM)),
        "warnings": len(at_level(reports, Level.WARNING)),
        "subjects": [
            {
                "subject": r.subject,
                "mode": r.mode,
                "variables": {"set": list(r.variables_set), "missing": list(r.variables_missing)},
                "findings": [
                    {"aspect": f.aspect.value, "level": f.level.value, "shown": f.shown, "detail": f.detail}
                    for f in r.findings
                ],
            }
            for r in reports
        ],
    }
    return json.dumps(body, indent=2)


def as_text(reports: Sequence[Report]) -> str:
    """The table, then a sentence for each problem, warning and thing nobody tells."""
    head = ["", "mode", *(aspect.value for aspect in Aspect)]
    rows = [head, *([r.subject, r.mode, *(_cell(r, aspect) for aspect in Aspect)] for r in reports)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    sentences = [
        f"{word:<8} {report.subject}, {finding.aspect.value}: {finding.detail}"
        for level, word in ((Level.PROBLEM, "PROBLEM"), (Level.WARNING, "warning"), (Level.UNKNOWN, "note"))
        for report, finding in at_level(reports, level)
    ]
    problems, warnings = (len(at_level(reports, level)) for level in (Level.PROBLEM, Level.WARNING))
    verdict = f"{_count(problems, 'problem')}, {_count(warnings, 'warning')}"
    return "\n".join([*lines, "", *sentences, *([""] if sentences else []), verdict])


def _cell(report: Report, aspect: Aspect) -> str:
    finding = report.worst(aspect)
    if finding is None:
        return "-"
    mark = {Level.PROBLEM: "✗ ", Level.WARNING: "! "}.get(finding.level, "")
    return f"{mark}{finding.shown}"


def _count(number: int, noun: str) -> str:
    return f"{number or 'no'} {noun}{'' if number == 1 else 's'}"
