"""The doctor's look at the backend events API."""

import datetime as dt

from dreamclass_intel.defs.backend.client import BackendResource
from dreamclass_intel.doctor.checkup import Access, Checkup
from dreamclass_intel.doctor.report import Aspect

ACCESS = Access("BACKEND_BASE_URL", "BACKEND_TOKEN", "a token that may read GET /v1/events")


def probe(checkup: Checkup) -> None:
    """One event of the last hour."""
    now = dt.datetime.now(dt.UTC)
    hour = now - dt.timedelta(hours=1)
    checkup.ask(lambda: next(BackendResource(page_size=1).events(hour, now), None), ACCESS)
    if checkup.live:
        checkup.unknown(Aspect.QUOTA, "the contract tells of a limit only by a 429")
        checkup.unknown(Aspect.CREDENTIALS, "the contract does not tell what else the token may do")
