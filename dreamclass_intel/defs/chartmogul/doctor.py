"""The doctor's look at ChartMogul."""

from dreamclass_intel.defs.chartmogul.client import ChartMogulResource
from dreamclass_intel.doctor.checkup import Access, Checkup
from dreamclass_intel.doctor.report import Aspect

ACCESS = Access("CHARTMOGUL_API_BASE", "CHARTMOGUL_API_KEY", "a read-only API key")


def probe(checkup: Checkup) -> None:
    """The account's settings and one plan."""
    chartmogul = ChartMogulResource(page_size=1)
    checkup.ask(chartmogul.account, ACCESS)
    checkup.ask(lambda: next(chartmogul.plans(), None), ACCESS)
    if checkup.live:
        checkup.unknown(Aspect.QUOTA, "ChartMogul tells of its limit (40 a second) only by a 429")
        checkup.unknown(
            Aspect.CREDENTIALS,
            "ChartMogul does not tell whether the key may also write; see Profile, API keys: it should be read-only",
        )
