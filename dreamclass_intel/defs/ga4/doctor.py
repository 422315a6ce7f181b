"""The doctor's look at GA4's two doors: the export by its route, and the Data API."""

import contextlib
import datetime as dt
import json
import os
from pathlib import Path

from dreamclass_intel.defs.ga4.bigquery import BigQueryShards
from dreamclass_intel.defs.ga4.client import Ga4Resource
from dreamclass_intel.defs.ga4.export_doctor import BIGQUERY, export
from dreamclass_intel.defs.ga4.normalise import reports
from dreamclass_intel.defs.ga4.shards import Shard
from dreamclass_intel.doctor.checkup import Access, Checkup, Stop
from dreamclass_intel.doctor.report import Aspect
from dreamclass_intel.http import SourceError
from dreamclass_intel.partitions import DAY, Days
from dreamclass_intel.settings import load_settings

GOOGLE_KEY = "GOOGLE_APPLICATION_CREDENTIALS"
DATA_API = Access("GA4_API_ENDPOINT and GA4_PROPERTY_ID", GOOGLE_KEY, "Viewer on the property")
LISTING = Access("SANDBOX_URL", "the sandbox's key", "nothing")
SCARCE = 0.1  # of a day's tokens


def probe(checkup: Checkup) -> None:
    """List the export's shards; ask the Data API for one row of a past day."""
    if checkup.live:
        _credentials(checkup)
    with contextlib.suppress(Stop):
        _export(checkup)
    _data_api(checkup)


def _credentials(checkup: Checkup) -> None:
    path = os.environ.get(GOOGLE_KEY)
    if not path:
        checkup.unknown(Aspect.CREDENTIALS, f"{GOOGLE_KEY} is not set: this machine's own Google identity is used")
        return
    try:
        kind = json.loads(Path(path).read_text(encoding="utf-8"))["type"]
    except (OSError, ValueError, KeyError, TypeError):
        checkup.problem(Aspect.CONFIGURED, "no key file", f"{GOOGLE_KEY} does not name a readable Google key file")
        return
    if kind == "authorized_user":
        checkup.warn(
            Aspect.CREDENTIALS,
            "a person's",
            f"{GOOGLE_KEY} is a person's own login, with all that person's rights: make a service account with "
            f"{DATA_API.privilege} and {BIGQUERY.privilege}",
        )


def _export(checkup: Checkup) -> None:
    settings, ga4 = load_settings().ga4, Ga4Resource()
    if not checkup.live:
        _found(checkup, checkup.ask(lambda: ga4.shards().list_shards(), LISTING))
    elif settings.route == "bigquery":
        source = BigQueryShards(settings.bigquery_project, settings.property_number)
        _found(checkup, export(checkup, source))
    else:
        try:
            _found(checkup, ga4.shards().list_shards())
        except (SourceError, OSError) as error:
            reason = str(error) if isinstance(error, SourceError) else f"GA4_EXPORT_DIR: {error.strerror}"
            checkup.problem(Aspect.REACHABLE, "no export", reason)


def _found(checkup: Checkup, shards: list[Shard] | None) -> None:
    if shards == []:
        checkup.warn(Aspect.REACHABLE, "no shard", "the GA4 export holds no whole day (events_YYYYMMDD) yet")


def _data_api(checkup: Checkup) -> None:
    past = dt.datetime.now(dt.UTC).date() - 3 * DAY
    report = reports()["daily"]
    page = checkup.ask(lambda: next(Ga4Resource(page_size=1).report(report, Days(past, past + DAY))), DATA_API)
    if page is None:
        return
    zone, ours = page.metadata.time_zone, load_settings().ga4.time_zone
    if zone != ours:
        checkup.problem(
            Aspect.CONFIGURED,
            "time zone",
            f"the property's time zone is {zone}, GA4_TIME_ZONE says {ours}: loads refuse",
        )
    tokens = page.property_quota.tokens_per_day
    left, most = tokens.remaining, tokens.remaining + tokens.consumed
    shown = f"{left} tokens today"
    if left <= most * SCARCE:
        checkup.warn(Aspect.QUOTA, shown, f"only {left} tokens of the property's Data API quota are left today")
    else:
        checkup.ok(Aspect.QUOTA, shown)
