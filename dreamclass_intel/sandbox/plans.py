"""The price list: plans, prices in three currencies, and the versions before and after the price change.

Lives here: what things cost and what a school would choose. When it buys is in `billing.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from . import ids, regimes
from .model import School
from .rng import Draw, Weighted

PLANS = ("starter", "pro", "school")
PLAN_NAMES = {"starter": "DreamClass Starter", "pro": "DreamClass Pro", "school": "DreamClass School"}
CURRENCIES = ("usd", "eur", "gbp")
INTERVALS = ("month", "year")
_MONTHLY_MINOR = {"starter": 2900, "pro": 3900, "school": 4900}  # per block of 50 students
_PLAN = Weighted([("starter", 0.30), ("pro", 0.45), ("school", 0.25)])
_EUR = {"GR", "IE", "DE", "CY", "ES", "NL"}
YEARLY_MONTHS = 10  # a year costs ten months


@dataclass(frozen=True, slots=True)
class Price:
    """One price; version 1 stops being sold (active = False) at the price change."""

    price_id: str
    product_id: str
    plan_id: str
    interval: str
    currency: str
    unit_amount_minor: int
    version: int
    created_at: datetime
    retired_at: datetime | None

    def active_at(self, now: datetime) -> bool:
        """Whether it is on sale at `now`."""
        return self.created_at <= now and (self.retired_at is None or now < self.retired_at)


def _all() -> dict[tuple[str, str, str, int], Price]:
    change = datetime.combine(regimes.BY_ID["D"].start, time(), UTC)
    opened = datetime.combine(regimes.START, time(), UTC)
    out = {}
    for version in (1, 2):
        for plan in PLANS:
            for interval in INTERVALS:
                for currency in CURRENCIES:
                    amount = _MONTHLY_MINOR[plan] * (YEARLY_MONTHS if interval == "year" else 1)
                    amount = amount * 3 // 2 if version == 2 else amount
                    out[plan, interval, currency, version] = Price(
                        ids.stripe_price_id(plan, interval, currency, version), ids.stripe_product_id(plan),
                        plan, interval, currency, amount, version,
                        opened if version == 1 else change, change if version == 1 else None,
                    )  # fmt: skip
    return out


PRICES = _all()
BY_PRICE_ID = {price.price_id: price for price in PRICES.values()}


def price(plan: str, interval: str, currency: str, version: int) -> Price:
    """One price of the list."""
    return PRICES[plan, interval, currency, version]


def choose(d: Draw, school: School) -> tuple[str, int, str, str]:
    """What a school would buy: plan, quantity (blocks of 50 students), interval, currency."""
    plan = d.pick(_PLAN)
    quantity = min(max(1 + round((school.students / 110) ** 0.5 * 0.8 + d.normal(0.2, 0.35)), 1), 6)
    currency = "usd"
    if school.country in _EUR and d.chance(0.45):
        currency = "eur"
    elif school.country == "GB" and d.chance(0.4):
        currency = "gbp"
    return plan, quantity, "year" if d.chance(0.3) else "month", currency


def first_year_minor(choice: tuple[str, int, str, str], day: date) -> int:
    """Value of a choice over twelve months at the prices of `day`."""
    plan, quantity, interval, currency = choice
    unit = price(plan, interval, currency, regimes.price_version(day))
    return quantity * unit.unit_amount_minor * (1 if interval == "year" else 12)
