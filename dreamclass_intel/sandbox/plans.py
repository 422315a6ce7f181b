"""The price list: plans, prices in three currencies, and the versions before and after the price change.

Lives here: what things cost. Who buys what is in `billing.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time

from . import ids, regimes

PLANS = ("starter", "pro", "school")
PLAN_NAMES = {"starter": "DreamClass Starter", "pro": "DreamClass Pro", "school": "DreamClass School"}
CURRENCIES = ("usd", "eur", "gbp")
INTERVALS = ("month", "year")
_MONTHLY_MINOR = {"starter": 2900, "pro": 3900, "school": 4900}  # per block of 50 students
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
