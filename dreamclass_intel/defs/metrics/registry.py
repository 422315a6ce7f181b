"""Reads and validates registry.yaml. A wrong entry fails at load, naming the metric and the field."""

import datetime as dt
from functools import cache
from pathlib import Path
from typing import Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from dreamclass_intel.contracts import Grain
from dreamclass_intel.settings import SOURCES
from dreamclass_intel.xmr import KINDS
from dreamclass_intel.xmr.rules import rules_of

PATH = Path(__file__).with_name("registry.yaml")
GRAINS = {"week": Grain.WEEKLY, "day": Grain.DAILY, "scoring_window": Grain.SCORING_WINDOW}
PERIOD_DAYS = {"week": 7, "day": 1, "scoring_window": 14}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Origin(_Strict):
    """Where a metric's figures are: a mart's name, or `core.<table>`; and the date column."""

    table: str
    date: str


class BaselinePolicy(_Strict):
    """Limits lock after `count` judged periods from `start` on."""

    count: int = Field(24, ge=6)
    start: dt.date | None = None


class Metric(_Strict):
    """One charted metric."""

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    question: str
    owner: str = Field(pattern=r"^team:")
    grain: Literal["week", "day", "scoring_window"]
    unit: str
    direction: Literal["up", "down", "none"]
    sources: tuple[str, ...] = Field(min_length=1)
    origin: Origin = Field(alias="from")
    numerator: str
    denominator: str | None = None
    n: str | None = None
    min_n: int = Field(0, ge=0)
    empty: Literal["zero", "missing"]
    complete: Literal["over", "present"] = "over"
    every_day: str | None = None
    maturity_days: int = Field(0, ge=0)
    segments: str | None = Field(None, pattern=r"^[a-z][a-z0-9_]*$")
    chart: str = "xmr"
    preset: str = "wheeler"
    trend: bool = False
    season: int | None = Field(None, ge=2)
    baseline: BaselinePolicy = BaselinePolicy()
    rebaseline: Literal["propose", "auto"] = "propose"
    bounds: tuple[float | None, float | None] = (None, None)

    @model_validator(mode="after")
    def _rates_are_missing_when_empty(self) -> Self:
        if self.denominator and self.empty == "zero":
            raise ValueError("a rate over nothing is missing, not zero")
        return self

    @field_validator("chart")
    @classmethod
    def _known_chart(cls, value: str) -> str:
        if value not in KINDS:
            raise ValueError(f"chart must be one of {', '.join(KINDS)}, not {value!r}")
        return value

    @field_validator("preset")
    @classmethod
    def _known_preset(cls, value: str) -> str:
        rules_of(value)
        return value

    @model_validator(mode="after")
    def _chart_fits(self) -> Self:
        kind = KINDS[self.chart]
        if kind.weighted and not self.denominator:
            raise ValueError(f"chart {self.chart!r} needs a denominator")
        if (self.trend or self.season) and not kind.adjustable:
            raise ValueError(f"trend and season go with charts xmr and i_prime, not with {self.chart!r}")
        if self.season and self.baseline.count < 2 * self.season:
            raise ValueError(f"a season of {self.season} needs a baseline of {2 * self.season} periods")
        return self

    @field_validator("sources")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := set(value) - set(SOURCES):
            raise ValueError(f"no such source: {sorted(unknown)}")
        return value

    @property
    def table_grain(self) -> Grain:
        """Partitions of the metric's chart."""
        return GRAINS[self.grain]

    @property
    def period(self) -> dt.timedelta:
        """Length of one period."""
        return dt.timedelta(days=PERIOD_DAYS[self.grain])


@cache
def metrics() -> tuple[Metric, ...]:
    """All registered metrics, in the file's order. Raises ValueError naming metric and field."""
    entries = yaml.safe_load(PATH.read_text(encoding="utf-8"))
    found = []
    for entry in entries:
        try:
            found.append(Metric.model_validate(entry))
        except ValueError as error:
            raise ValueError(f"{PATH.name}: metric {entry.get('id')!r}: {error}") from None
    names = [m.id for m in found]
    if len(names) != len(set(names)):
        raise ValueError(f"{PATH.name}: duplicate ids {sorted({n for n in names if names.count(n) > 1})}")
    return tuple(found)
