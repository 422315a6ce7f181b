"""Partitions definitions, and the only place that knows what a scoring window is.

Days and weeks are UTC calendar days; a week runs Monday to Sunday and carries its Monday's date. Scoring
windows are half-open [start, start + 14 d) on a grid anchored at START, registered in chronological order as a
dynamic partitions definition: Dagster knows no 14-day schedule (docs/decisions.md).
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import dagster as dg

from dreamclass_intel.contracts import Grain
from dreamclass_intel.settings import load_settings

START: dt.date = load_settings().start_date
WINDOW = dt.timedelta(days=14)
DAY = dt.timedelta(days=1)
_FIRST_MONDAY = START + dt.timedelta(days=-START.weekday() % 7)

DAILY = dg.DailyPartitionsDefinition(start_date=START.isoformat())
WEEKLY = dg.WeeklyPartitionsDefinition(start_date=_FIRST_MONDAY.isoformat(), day_offset=1)
SCORING_WINDOWS = dg.DynamicPartitionsDefinition(name="scoring_window")

DEFINITIONS: dict[Grain, dg.PartitionsDefinition | None] = {
    Grain.DAILY: DAILY,
    Grain.WEEKLY: WEEKLY,
    Grain.SCORING_WINDOW: SCORING_WINDOWS,
    Grain.NONE: None,
}


@dataclass(frozen=True, order=True)
class ScoringWindow:
    """One scoring window, half-open [start, end); its key is the start date."""

    start: dt.date

    def __post_init__(self) -> None:
        if self.start < START or (self.start - START) % WINDOW:
            raise ValueError(f"{self.start} is not on the 14-day grid anchored at {START}")

    @property
    def end(self) -> dt.date:
        """First day after the window."""
        return self.start + WINDOW

    @property
    def key(self) -> str:
        """Partition key."""
        return self.start.isoformat()

    @classmethod
    def from_key(cls, key: str) -> Self:
        """Parse a partition key; ValueError if it is off the grid."""
        return cls(dt.date.fromisoformat(key))

    @classmethod
    def containing(cls, day: dt.date) -> Self:
        """The window that holds `day`."""
        return cls(START + (day - START) // WINDOW * WINDOW)


def windows_until(day: dt.date) -> list[ScoringWindow]:
    """All windows closed by the start of `day`, from the anchor, in order."""
    return [ScoringWindow(START + i * WINDOW) for i in range((day - START) // WINDOW)]


def unregistered_windows(instance: dg.DagsterInstance, newest: ScoringWindow) -> list[str]:
    """Keys to add so that every window from the anchor to `newest` is registered, in order."""
    known = set(instance.get_dynamic_partitions(str(SCORING_WINDOWS.name)))
    return [w.key for w in windows_until(newest.end) if w.key not in known]


def register_windows(instance: dg.DagsterInstance, newest: ScoringWindow) -> list[str]:
    """Register what `unregistered_windows` names and return it."""
    keys = unregistered_windows(instance, newest)
    if keys:
        instance.add_dynamic_partitions(str(SCORING_WINDOWS.name), keys)
    return keys


@dataclass(frozen=True)
class Days:
    """A contiguous range of whole UTC days, half-open [start, end)."""

    start: dt.date
    end: dt.date

    @classmethod
    def of(cls, keys: Sequence[str]) -> Self:
        """From daily partition keys, which must be contiguous (single_run ranges are)."""
        days = sorted(dt.date.fromisoformat(k) for k in keys)
        if (days[-1] - days[0]).days != len(days) - 1:
            raise ValueError(f"{len(days)} partitions from {days[0]} to {days[-1]} are not contiguous")
        return cls(days[0], days[-1] + DAY)

    @property
    def start_at(self) -> dt.datetime:
        """First instant, aware UTC."""
        return dt.datetime.combine(self.start, dt.time(), dt.UTC)

    @property
    def end_at(self) -> dt.datetime:
        """First instant after the range, aware UTC."""
        return dt.datetime.combine(self.end, dt.time(), dt.UTC)

    @property
    def last(self) -> dt.date:
        """Newest day in the range."""
        return self.end - DAY

    def __iter__(self):  # type: ignore[no-untyped-def]
        """Days in order."""
        return (self.start + i * DAY for i in range((self.end - self.start).days))

    def keys(self) -> list[str]:
        """Partition keys in order."""
        return [day.isoformat() for day in self]

    def holds(self, key: str) -> bool:
        """Whether a partition key lies in the range."""
        return self.start.isoformat() <= key < self.end.isoformat()
