"""The doctor's look at Supabase: both tables, whether row-level security hides them, and whose key it is."""

import base64
import binascii
import datetime as dt
import json
from functools import partial
from typing import Any

from dreamclass_intel.defs.lead_scoring.client import RUNS, SCORES, LeadScoringResource
from dreamclass_intel.doctor.checkup import Access, Checkup
from dreamclass_intel.doctor.report import Aspect
from dreamclass_intel.settings import load_settings

ACCESS = Access(
    "SUPABASE_URL",
    "SUPABASE_KEY",
    "a role that may SELECT scoring_runs and lead_scores (row-level security must allow it)",
)


def probe(checkup: Checkup) -> None:
    """One row of each table."""
    if checkup.live:
        _key(checkup, load_settings().lead_scoring.secret("key"))
    supabase = LeadScoringResource()
    for table in (RUNS, SCORES):
        shown = checkup.ask(partial(supabase.shows_rows, table), ACCESS, f"SELECT on {table}")
        if shown is False:
            checkup.warn(
                Aspect.PERMITTED,
                "no row",
                f"{table} shows no row: it is empty, or row-level security hides it from {ACCESS.key}",
            )
    if checkup.live:
        checkup.unknown(Aspect.QUOTA, "Supabase has no quota of calls")


def _key(checkup: Checkup, key: str) -> None:
    advice = f"give it {ACCESS.privilege}"
    claims = _claims(key)
    role = str(claims.get("role", ""))
    if key.startswith("sb_secret_") or role == "service_role":
        what = "a secret key (sb_secret_…)" if not role else "a service_role key"
        checkup.warn(
            Aspect.CREDENTIALS,
            "full access",
            f"{ACCESS.key} is {what}: it may read and write every table past row-level security; {advice}",
        )
    elif role or key.startswith("sb_publishable_"):
        checkup.ok(Aspect.CREDENTIALS, role or "publishable")
    else:
        checkup.unknown(Aspect.CREDENTIALS, f"{ACCESS.key} has no form that tells its role")
    expires = claims.get("exp")
    if isinstance(expires, int | float) and expires < dt.datetime.now(dt.UTC).timestamp():
        checkup.problem(Aspect.PERMITTED, "expired", f"{ACCESS.key} is a token that has expired")


def _claims(key: str) -> dict[str, Any]:
    """What a JWT says of itself, unverified; nothing for any other key."""
    parts = key.split(".")
    if len(parts) != 3:
        return {}
    try:
        found = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, binascii.Error):
        return {}
    return found if isinstance(found, dict) else {}
