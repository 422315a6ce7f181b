"""The doctor's look at G2."""

import datetime as dt

from dreamclass_intel.defs.g2.client import G2Resource
from dreamclass_intel.doctor.checkup import Access, Checkup
from dreamclass_intel.doctor.report import Aspect
from dreamclass_intel.partitions import DAY, Days

ACCESS = Access("G2_API_BASE and G2_PRODUCT_ID", "G2_API_TOKEN", "a token with the scope buyer_intent.read")


def probe(checkup: Checkup) -> None:
    """One row of yesterday's buyer intent."""
    today = dt.datetime.now(dt.UTC).date()
    checkup.ask(lambda: next(G2Resource(page_size=1).buyer_intent(Days(today - DAY, today)), None), ACCESS)
    if checkup.live:
        checkup.unknown(Aspect.QUOTA, "G2 tells of its limit (100 a second) by a minute's silence only")
        checkup.unknown(
            Aspect.CREDENTIALS,
            "G2 does not tell what else the token may do, nor when it expires (a year after it was made); see "
            "my.g2.com/developers",
        )
