"""The doctor's look at Stripe: each resource the key must read, and how wide the key is by its own name."""

import datetime as dt
from functools import partial

from dreamclass_intel.defs.stripe.client import KINDS, Kind, Reader
from dreamclass_intel.doctor.checkup import Access, Checkup
from dreamclass_intel.doctor.report import Aspect
from dreamclass_intel.settings import load_settings

ACCESS = Access(
    "STRIPE_API_BASE",
    "STRIPE_API_KEY",
    "a restricted key with read on Customers, Products, Prices, Subscriptions, Invoices, Events",
)


def probe(checkup: Checkup) -> None:
    """One object of each kind, and one event."""
    if checkup.live:
        _key(checkup, load_settings().stripe.secret("api_key"))
    now = dt.datetime.now(dt.UTC)
    reader = Reader(page_size=1)
    for kind in KINDS.values():
        grant = f"read on {kind.path.capitalize()}"
        checkup.ask(partial(_newest, reader, kind, now), ACCESS, grant)
    checkup.ask(lambda: next(reader.events(now - dt.timedelta(days=1), now), None), ACCESS, "read on Events")
    if checkup.live:
        checkup.unknown(Aspect.QUOTA, "Stripe tells of its limits (25 a second for each resource) only by a 429")


def _newest(reader: Reader, kind: Kind, now: dt.datetime) -> object:
    return next(reader.created(kind, None, now), None)


def _key(checkup: Checkup, key: str) -> None:
    advice = f"make a restricted key (rk_live_…) instead: {ACCESS.privilege}"
    if key.startswith("sk_"):
        checkup.warn(
            Aspect.CREDENTIALS, "full access", f"{ACCESS.key} is a secret key, which may do anything; {advice}"
        )
    elif key.startswith("rk_"):
        checkup.unknown(
            Aspect.CREDENTIALS, "a restricted key; Stripe does not tell what else it may do (Dashboard, API keys)"
        )
    else:
        checkup.warn(
            Aspect.CREDENTIALS, "what key?", f"{ACCESS.key} is neither a restricted nor a secret key; {advice}"
        )
    if "_test_" in key[:8]:
        checkup.warn(Aspect.CREDENTIALS, "test mode", f"{ACCESS.key} is a test mode key: no real customer is in there")
