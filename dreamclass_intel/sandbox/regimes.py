"""Process parameters over time, and the planted shifts as a declared list.

Lives here: every rate, share and hazard of the company as a function of the date. Everything not named in
`SHIFTS` is stationary. A rate that depends on a lead's class or a trial's activation is divided by its mean
under the mix of the day (`normalised`), so that a shift of the mix moves only the metric it is declared to
move.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from itertools import pairwise
from zoneinfo import ZoneInfo

START = date(2024, 1, 1)
HORIZON = date(2028, 1, 1)  # no journey's future is simulated beyond; the clock refuses to pass it
REPORTING_TZ = "Europe/Athens"  # the analytics property's time zone: dates of sessions and shards
ZONE = ZoneInfo(REPORTING_TZ)
WINDOW_DAYS = 14
SETTLED = date(2024, 4, 1)  # before it sales, revenue and churn ramp up from an empty company

CLASSES = ("A", "B", "C", "D")
WEIGHTS = {"A": 1.0, "B": 0.6, "C": 0.3, "D": 0.0}
MODEL_VERSION, WEIGHTS_VERSION = "v1", "w1"


@dataclass(frozen=True, slots=True)
class Shift:
    """A planted change of a process: in force from `start`, until `end` (exclusive) if it has one."""

    id: str
    title: str
    metric_ids: tuple[str, ...]
    start: date
    end: date | None
    before: float
    after: float
    unit: str
    description: str

    def active(self, day: date) -> bool:
        """Whether it is in force on `day`."""
        return self.start <= day and (self.end is None or day < self.end)


SHIFTS: tuple[Shift, ...] = (
    Shift("A", "activation_improvement", ("activation_rate",), date(2025, 2, 3), date(2026, 3, 2), 0.38, 0.58,
          "share of trials, by trial start", "A better onboarding; conversion is unchanged."),
    Shift("B", "organic_collapse", ("sessions", "organic_sessions", "sign_up_rate"), date(2025, 4, 7), None,
    1.0,
          0.45, "factor on anonymous organic-search sessions",
          "A search ranking loss; leads are unaffected, so "
          "sign-ups per session rise."),
    Shift("C", "lqi_source_mix", ("lqi",), date(2025, 6, 2), date(2025, 8, 25), 0.08, 0.45,
          "share of leads from paid_social", "A paid-social campaign displaces other sources; LQI falls by "
          "about 11 points, lead volume is unchanged."),
    Shift("D", "price_change", ("new_mrr_per_new_customer", "new_mrr"), date(2025, 8, 25), None, 1.0, 1.5,
          "factor on prices of new subscriptions", "New price ids; existing subscriptions keep theirs."),
    Shift("E", "churn_spike", ("churned_customers", "churned_mrr", "net_new_mrr"), date(2025, 10, 6),
          date(2025, 11, 3), 1.0, 9.0, "customers leaving a week", "A bad release drives customers away."),
    Shift("F", "win_rate_fall", ("win_rate", "new_customers", "new_mrr", "net_new_mrr"), date(2025, 11, 10),
          date(2026, 1, 26), 0.30, 0.08, "share of decided deals, by decision date",
          "A competitor undercuts."),
    Shift("G", "lqi_source_mix_again", ("lqi",), date(2025, 12, 29), date(2026, 3, 23), 0.08, 0.45,
          "share of leads from paid_social", "The paid-social campaign of C is repeated."),
    Shift("H", "activation_drop", ("activation_rate",), date(2026, 3, 2), None, 0.58, 0.36,
          "share of trials, by trial start", "A new sign-up wizard loses people."),
)  # fmt: skip
BY_ID = {shift.id: shift for shift in SHIFTS}


def active(shift_id: str, day: date) -> bool:
    """Whether the shift is in force on `day`."""
    return BY_ID[shift_id].active(day)


# --- leads --------------------------------------------------------------------------------------
LEADS_PER_WEEKDAY = (10.4, 10.6, 10.6, 10.3, 9.5, 5.0, 5.2)  # Monday first; 61.6 a week
LEADS_DAY_SD = 1.4
SIGN_UP_SHARE = 0.66  # of leads; the others ask for a demonstration
REPEAT_SHARE = 0.03
FREEMAIL_SHARE = 0.27
RECLASS_SHARE = 0.04

_LEAD_SHARES = {
    "organic_search": 0.31, "direct": 0.20, "paid_search": 0.16, "paid_social": 0.08, "referral": 0.08,
    "organic_social": 0.05, "email": 0.04, "review_site": 0.04, "ai_assistant": 0.04,
}  # fmt: skip
_PS = _LEAD_SHARES["paid_social"]
_MID = {"A": 0.124, "B": 0.262, "C": 0.3987, "D": 0.2153}
_GOOD = {"A": 0.18, "B": 0.32, "C": 0.34, "D": 0.16}
CLASS_MIX: dict[str, dict[str, float]] = {
    "organic_search": _MID, "direct": _MID, "organic_social": _MID, "ai_assistant": _MID,
    "paid_search": {"A": 0.10, "B": 0.24, "C": 0.41, "D": 0.25},
    "paid_social": {"A": 0.01, "B": 0.04, "C": 0.26, "D": 0.69},
    "referral": _GOOD, "email": _GOOD, "review_site": _GOOD,
}  # fmt: skip


def paid_social_share(day: date) -> float:
    """Share of leads from paid social."""
    return BY_ID["C"].after if active("C", day) or active("G", day) else _PS


@lru_cache(maxsize=4)
def _shares(paid_social: float) -> dict[str, float]:
    rest = (1 - paid_social) / (1 - _PS)
    return {k: paid_social if k == "paid_social" else v * rest for k, v in _LEAD_SHARES.items()}


def lead_shares(day: date) -> dict[str, float]:
    """Share of leads by channel."""
    return _shares(paid_social_share(day))


@lru_cache(maxsize=4)
def _mix(paid_social: float) -> dict[str, float]:
    shares = _shares(paid_social)
    return {c: sum(shares[k] * CLASS_MIX[k][c] for k in shares) for c in CLASSES}


def class_mix(day: date) -> dict[str, float]:
    """True share of each lead class among the leads of `day`."""
    return _mix(paid_social_share(day))


def true_lqi(day: date) -> float:
    """The expected LQI of leads of `day`."""
    return 100 * sum(WEIGHTS[c] * p for c, p in class_mix(day).items())


def normalised(factors: dict[str, float], lead_class: str, day: date) -> float:
    """The factor of a class divided by the factors' mean under the day's mix of classes."""
    return factors[lead_class] / sum(factors[c] * p for c, p in class_mix(day).items())


# --- trials, deals, conversion ------------------------------------------------------------------
_ACTIVATION_BY_CLASS = {"A": 1.25, "B": 1.12, "C": 0.98, "D": 0.80}
_DEAL_BY_CLASS = {"A": 2.6, "B": 1.6, "C": 0.68, "D": 0.08}
_WIN_BY_CLASS = {"A": 1.35, "B": 1.0, "C": 0.68, "D": 0.3}
_SELF_BY_CLASS = {"A": 2.0, "B": 1.5, "C": 0.8, "D": 0.3}
DEAL_SHARE = 0.252  # of leads that are not repeats: about 15 new deals a week
SELF_SERVE_SHARE = 0.032  # of sign-ups without a deal: about 1 a week
BASE_WIN_RATE = 0.30
SELF_SERVE_WEEKLY = 1.0
DEALS_WEEKLY = 15.0


def activation_rate(day: date) -> float:
    """Share of the trials started on `day` that activate within seven days."""
    if active("H", day):
        return BY_ID["H"].after
    return BY_ID["A"].after if active("A", day) else BY_ID["A"].before


def activation_probability(lead_class: str, lead_day: date, trial_day: date) -> float:
    """Probability that a trial activates."""
    return min(activation_rate(trial_day) * normalised(_ACTIVATION_BY_CLASS, lead_class, lead_day), 0.95)


_LIFT = {True: 1.35, False: 0.80}  # on conversion, for having activated or not


def _mean_lift(factors: dict[str, float], pool: dict[str, float], lead_day: date, trial_day: date) -> float:
    """Mean of factor x activation lift over a pool of classes: a rate divided by it stays what it is."""
    total = 0.0
    for name in CLASSES:
        p = activation_probability(name, lead_day, trial_day)
        total += pool[name] * factors[name] * (p * _LIFT[True] + (1 - p) * _LIFT[False])
    return total / sum(pool.values())


def deal_probability(lead_class: str, day: date) -> float:
    """Probability that sales opens a deal for a lead of `day` (sales works to capacity: volume is stable)."""
    return min(DEAL_SHARE * normalised(_DEAL_BY_CLASS, lead_class, day), 0.95)


def win_rate(day: date) -> float:
    """Share of the deals decided on `day` that are won."""
    return BY_ID["F"].after if active("F", day) else BASE_WIN_RATE


def win_probability(lead_class: str, activated: bool, lead_day: date, trial_day: date, decided: date) -> float:
    """Probability that a deal decided on `decided` is won; its mean over deals is `win_rate(decided)`."""
    mix = class_mix(lead_day)
    pool = {c: mix[c] * _DEAL_BY_CLASS[c] for c in CLASSES}
    mean = _mean_lift(_WIN_BY_CLASS, pool, lead_day, trial_day)
    return min(win_rate(decided) * _WIN_BY_CLASS[lead_class] * _LIFT[activated] / mean, 0.95)


def self_serve_probability(lead_class: str, activated: bool, lead_day: date, trial_day: date) -> float:
    """Probability that a sign-up without a deal subscribes by itself."""
    mix = class_mix(lead_day)
    pool = {c: mix[c] * (1 - deal_probability(c, lead_day)) for c in CLASSES}
    mean = _mean_lift(_SELF_BY_CLASS, pool, lead_day, trial_day)
    return min(SELF_SERVE_SHARE * _SELF_BY_CLASS[lead_class] * _LIFT[activated] / mean, 0.9)


# --- revenue ------------------------------------------------------------------------------------
CHURN_WEEKLY = 1.0  # customers leaving a week, whatever the size of the base
EXPAND_WEEKLY = 2.5  # customers expanding a week: their MRR about balances churn and contraction
CONTRACT_WEEKLY = 0.35
MIN_BASE = 40.0


def price_version(day: date) -> int:
    """Version of the price list for subscriptions that start on `day`."""
    return 2 if active("D", day) else 1


@lru_cache(maxsize=1)
def expected_base() -> tuple[float, ...]:
    """Expected number of paying customers at the start of each day from START to HORIZON."""
    base, out = 0.0, []
    for index in range((HORIZON - START).days + 1):
        day = START + timedelta(days=index)
        out.append(base)
        ramp = min(max((index - 20) / 24, 0.0), 1.0)
        gained = ramp * (DEALS_WEEKLY * win_rate(day) + SELF_SERVE_WEEKLY) / 7
        base += gained - churn_weekly(day) / 7 * min(base / MIN_BASE, 1.0)
    return tuple(out)


def churn_weekly(day: date) -> float:
    """Expected number of customers leaving a week at a settled base."""
    return BY_ID["E"].after if active("E", day) else CHURN_WEEKLY


@lru_cache(maxsize=4)
def cumulative_hazard(kind: str) -> tuple[float, ...]:
    """Cumulative hazard per customer of `churn`, `expand` or `contract` at the start of each day."""
    base, total, out = expected_base(), 0.0, []
    for index in range((HORIZON - START).days + 1):
        out.append(total)
        weekly = {"churn": churn_weekly(START + timedelta(days=index)), "expand": EXPAND_WEEKLY,
                  "contract": CONTRACT_WEEKLY}[kind]  # fmt: skip
        total += weekly / 7 / max(base[index], MIN_BASE)
    assert all(a < b for a, b in pairwise(out))
    return tuple(out)


# --- traffic ------------------------------------------------------------------------------------
ANONYMOUS_PER_DAY = 440.0  # sessions of people who never leave an address, at scale 1 (about 60 more are known)
TRAFFIC_WEEKDAY = (1.10, 1.13, 1.12, 1.09, 1.0, 0.76, 0.80)
TRAFFIC_DAY_SD = 0.05
TRAFFIC_SHARES = {
    "organic_search": 0.42, "direct": 0.21, "paid_search": 0.10, "referral": 0.07, "organic_social": 0.06,
    "paid_social": 0.06, "email": 0.04, "ai_assistant": 0.02, "review_site": 0.02,
}  # fmt: skip


def traffic_shares(day: date) -> dict[str, float]:
    """Anonymous sessions of `day` by channel, as a share of the undisturbed total (sums to less during B)."""
    factor = BY_ID["B"].after if active("B", day) else 1.0
    return {k: v * factor if k == "organic_search" else v for k, v in TRAFFIC_SHARES.items()}
