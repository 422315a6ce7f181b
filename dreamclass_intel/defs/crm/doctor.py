"""The doctor's look at HubSpot (scopes, quota), or at the folder of CSV exports that replaces it."""

import datetime as dt
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from dreamclass_intel.defs.crm.client import MODIFIED, CrmResource
from dreamclass_intel.defs.crm.csv_mapping import MappingError
from dreamclass_intel.doctor.checkup import Access, Checkup
from dreamclass_intel.doctor.report import Aspect
from dreamclass_intel.http import SourceError
from dreamclass_intel.partitions import DAY, Days

NEEDED = (
    *(f"crm.objects.{kind}.read" for kind in MODIFIED),
    "crm.objects.owners.read",
    "crm.schemas.deals.read",
)
ALWAYS = frozenset({"oauth"})  # every token has it
ACCESS = Access("CRM_API_BASE", "CRM_HUBSPOT_TOKEN", f"a private app with {', '.join(NEEDED)}")
SCARCE = 0.1  # of a day's calls


def probe(checkup: Checkup) -> None:
    """One object behind each scope, then all the scopes that the token holds."""
    crm = CrmResource(search_page=1)
    if _csv(checkup, crm):
        return
    today = dt.datetime.now(dt.UTC).date()
    recent = Days(today - DAY, today)
    requests: dict[str, Callable[[], object]] = {
        "crm.schemas.deals.read": crm.pipelines,
        **{f"crm.objects.{kind}.read": partial(_newest, crm, kind, recent) for kind in MODIFIED},
        "crm.objects.owners.read": lambda: next(crm.owners(), None),
    }
    for scope, request in requests.items():
        checkup.ask(request, ACCESS, scope)
    _width(checkup, crm)
    _quota(checkup)


def _newest(crm: CrmResource, kind: str, days: Days) -> object:
    return next(crm.modified(kind, [], days), None)


def _csv(checkup: Checkup, crm: CrmResource) -> bool:
    try:
        files = crm.csv_files()
    except MappingError as error:
        checkup.problem(Aspect.CONFIGURED, "mapping", str(error))
        return True
    if files is None:
        return False
    unreadable = [file.path.name for file in files if not _readable(file.path)]
    if unreadable:
        checkup.problem(Aspect.PERMITTED, "unreadable", f"CRM_CSV_DIR: cannot read {', '.join(unreadable)}")
    checkup.ok(Aspect.REACHABLE, f"{len(files)} CSV files")
    if not files:
        checkup.warn(Aspect.REACHABLE, "no CSV file", "CRM_CSV_DIR holds no export: nothing will be loaded")
    return True


def _readable(path: Path) -> bool:
    try:
        with path.open("rb"):
            return True
    except OSError:
        return False


def _width(checkup: Checkup, crm: CrmResource) -> None:
    """What HubSpot says the token may do beyond what is needed."""
    try:
        held = crm.granted()
    except (SourceError, KeyError, TypeError):  # not every kind of token has this
        checkup.unknown(Aspect.CREDENTIALS, "HubSpot did not tell the token's scopes")
        return
    extra = sorted(set(held) - set(NEEDED) - ALWAYS)
    if extra:
        checkup.warn(Aspect.CREDENTIALS, "too wide", f"{ACCESS.key} holds more than it needs: {', '.join(extra)}")
    else:
        checkup.ok(Aspect.CREDENTIALS)


def _quota(checkup: Checkup) -> None:
    told = [answer.headers for answer in (checkup.look.heard if checkup.look else ())]
    days = [d for d in map(_day, told) if d]
    if not days:
        checkup.unknown(Aspect.QUOTA, "HubSpot's answers carried no daily limit")
        return
    most, left = days[-1]
    shown = f"{left} of {most} a day"
    if left <= most * SCARCE:
        checkup.warn(
            Aspect.QUOTA, shown, f"only {shown} of HubSpot's calls are left; other apps of the account use them, too"
        )
    else:
        checkup.ok(Aspect.QUOTA, shown)


def _day(headers: Mapping[str, str]) -> tuple[int, int] | None:
    try:
        return int(headers["x-hubspot-ratelimit-daily"]), int(headers["x-hubspot-ratelimit-daily-remaining"])
    except (KeyError, ValueError):
        return None
