"""The doctor's look at the visitor feed."""

import datetime as dt

from dreamclass_intel.defs.swan.client import SwanResource
from dreamclass_intel.doctor.checkup import Access, Checkup
from dreamclass_intel.doctor.report import Aspect
from dreamclass_intel.partitions import DAY, Days

ACCESS = Access("SWAN_BASE_URL", "SWAN_API_KEY", "a key that may read GET /v1/visits and GET /v1/companies")


def probe(checkup: Checkup) -> None:
    """One visit and one company of yesterday."""
    today = dt.datetime.now(dt.UTC).date()
    swan, yesterday = SwanResource(page_size=1), Days(today - DAY, today)
    checkup.ask(lambda: next(swan.visits(yesterday), None), ACCESS, "GET /v1/visits")
    checkup.ask(lambda: next(swan.companies(yesterday), None), ACCESS, "GET /v1/companies")
    if checkup.live:
        checkup.unknown(Aspect.QUOTA, "the contract tells of a limit only by a 429")
        checkup.unknown(Aspect.CREDENTIALS, "the contract does not tell what else the key may do")
