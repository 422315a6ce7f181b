"""What the doctor found, as plain values: no network, no printing, no settings."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How a finding weighs, the worst last."""

    OK = "ok"
    UNKNOWN = "unknown"  # nobody tells
    WARNING = "warning"  # works today
    PROBLEM = "problem"  # loads fail


class Aspect(StrEnum):
    """What is looked at, in the order of the table's columns."""

    CONFIGURED = "configured"
    REACHABLE = "reachable"
    PERMITTED = "permitted"
    QUOTA = "quota"  # a vendor's calls, a disk's room
    CLOCK = "clock"
    CREDENTIALS = "credentials"  # wider than needed?


_WEIGHT = {level: weight for weight, level in enumerate(Level)}


@dataclass(frozen=True)
class Finding:
    """One thing found: a few characters for the table, and a sentence where a person may want to act."""

    aspect: Aspect
    level: Level
    shown: str
    detail: str = ""


@dataclass(frozen=True)
class Report:
    """Everything found about one subject."""

    subject: str
    mode: str
    findings: tuple[Finding, ...]
    variables_set: tuple[str, ...] = ()
    variables_missing: tuple[str, ...] = ()

    def worst(self, aspect: Aspect) -> Finding | None:
        """The gravest finding of an aspect, the first among equals; None if it was not looked at."""
        return max((f for f in self.findings if f.aspect is aspect), key=lambda f: _WEIGHT[f.level], default=None)


def at_level(reports: Sequence[Report], level: Level) -> list[tuple[Report, Finding]]:
    """All findings of one level, in order."""
    return [(report, finding) for report in reports for finding in report.findings if finding.level is level]


def exit_code(reports: Sequence[Report], *, strict: bool = False) -> int:
    """0: nothing is wrong (there may be warnings); 1: something is, or with `strict` a warning.

    2 is left to the command line itself: that is what a wrong option gives.
    """
    grave = (Level.PROBLEM, Level.WARNING) if strict else (Level.PROBLEM,)
    return int(any(at_level(reports, level) for level in grave))
