"""The doctor's look at GA4's two doors: the export by its route, and the Data API."""

import contextlib
import datetime as dt
import json
import os
from pathlib import Path

from dreamclass_intel.defs.ga4.bigquery import BigQueryShards
from dreamclass_intel.defs.ga4.client import Ga4Resource
from dreamclass_intel.defs.ga4.normalise import reports
from dreamclass_intel.defs.ga4.shards import Shard
from dreamclass_intel.doctor.checkup import Access, Checkup, Stop
from dreamclass_intel.doctor.report import Aspect
from dreamclass_intel.http import SourceError
from dreamclass_intel.partitions import DAY, Days
from dreamclass_intel.settings import load_settings

GOOGLE_KEY = "GOOGLE_APPLICATION_CREDENTIALS"
DATA_API = Access("GA4_API_ENDPOINT and GA4_PROPERTY_ID", GOOGLE_KEY, "Viewer on the property")
READ_TABLES = "roles/bigquery.dataViewer on the export dataset"
RUN_JOBS = "roles/bigquery.jobUser on the project"
BIGQUERY = Access("GA4_BIGQUERY_PROJECT and GA4_PROPERTY_ID", GOOGLE_KEY, f"{READ_TABLES} and {RUN_JOBS}")
LISTING = Access("SANDBOX_URL", "the sandbox's key", "nothing")
TOO_WIDE = ("bigquery.tables.updateData", "bigquery.tables.delete")
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
        shards = checkup.ask(source.list_shards, BIGQUERY, _missing_role)
        _found(checkup, shards)
        if shards:
            _width(checkup, source, shards[-1])
    else:
        try:
            _found(checkup, ga4.shards().list_shards())
        except (SourceError, OSError) as error:
            reason = str(error) if isinstance(error, SourceError) else f"GA4_EXPORT_DIR: {error.strerror}"
            checkup.problem(Aspect.REACHABLE, "no export", reason)


def _found(checkup: Checkup, shards: list[Shard] | None) -> None:
    if shards == []:
        checkup.warn(Aspect.REACHABLE, "no shard", "the GA4 export holds no whole day (events_YYYYMMDD) yet")


def _missing_role(error: SourceError) -> str:
    return RUN_JOBS if "bigquery.jobs.create" in str(error) else READ_TABLES


def _width(checkup: Checkup, source: BigQueryShards, shard: Shard) -> None:
    """What this identity may do to a shard beyond reading it."""
    try:
        held = source.allowed(shard, TOO_WIDE)
    except SourceError:
        checkup.unknown(Aspect.CREDENTIALS, "BigQuery did not tell what else the identity may do to the export")
        return
    if held:
        wide = ", ".join(sorted(held))
        checkup.warn(
            Aspect.CREDENTIALS, "too wide", f"{GOOGLE_KEY} may also {wide}: give it {BIGQUERY.privilege}, no more"
        )
    else:
        checkup.ok(Aspect.CREDENTIALS)


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
