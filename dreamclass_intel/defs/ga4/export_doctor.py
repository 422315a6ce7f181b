"""The doctor's look at the export's data set on BigQuery: who reads it, what they lack, where it lies, how long.

Google's client loads when it looks: Dagster imports this file with all others.
"""

import datetime as dt
from typing import TYPE_CHECKING

from dreamclass_intel.defs.ga4.bigquery import BigQueryShards
from dreamclass_intel.defs.ga4.shards import Shard
from dreamclass_intel.doctor.checkup import Access, Checkup, Stop
from dreamclass_intel.doctor.report import Aspect
from dreamclass_intel.settings import load_settings

if TYPE_CHECKING:
    from google.cloud import bigquery

    from dreamclass_intel.warehouse.bigquery_access import Door, Identity

VIEWER = "roles/bigquery.dataViewer"
READ_TABLES = f"{VIEWER} on the export dataset"
RUN_JOBS = "roles/bigquery.jobUser on the project"
BIGQUERY = Access(
    "GA4_BIGQUERY_PROJECT and GA4_PROPERTY_ID",
    "BIGQUERY_KEYFILE or GOOGLE_APPLICATION_CREDENTIALS",
    f"{READ_TABLES} and {RUN_JOBS}",
)
READING = ("bigquery.tables.get", "bigquery.tables.getData")
CHANGING = ("bigquery.tables.updateData", "bigquery.tables.delete")


def export(checkup: Checkup, source: BigQueryShards) -> list[Shard] | None:
    """Look at the data set and at a table of it; its shards, None where they cannot be seen."""
    from dreamclass_intel.warehouse.bigquery_access import Door
    from dreamclass_intel.warehouse.bigquery_findings import knock, lacks_on_datasets, told
    from dreamclass_intel.warehouse.bigquery_refusals import Refused

    try:
        door = checkup.ask(lambda: Door(source.client), BIGQUERY)
        if door is None:
            return None
        who, may_run = knock(checkup, door)
        missing = _missing(checkup, door, who, source.dataset)
        lacks_on_datasets(checkup, who, [source.dataset], missing, VIEWER, unseen="bigquery.datasets.get" in missing)
        _project(checkup, door, who, may_run)
        return checkup.ask(source.list_shards, BIGQUERY) if may_run and not missing else None
    except Refused as refusal:
        told(checkup, refusal, BIGQUERY.address)
        raise Stop from None


def _missing(checkup: Checkup, door: "Door", who: "Identity", name: str) -> frozenset[str]:
    """What cannot be done to the data set, which is looked at on the way. Raises Stop where there is none."""
    from dreamclass_intel.warehouse.bigquery_refusals import Refused

    try:
        found = door.dataset(name)
        if found is None:
            where = f"data set {name} in project {door.project}"
            advice = f"link the property to BigQuery, or check {BIGQUERY.address}"
            checkup.problem(Aspect.REACHABLE, "no export", f"there is no {where}: {advice}")
            raise Stop
        _place(checkup, found)
        table = door.any_table(name)
    except Refused as refusal:
        if not refusal.permissions:
            raise
        return refusal.permissions
    return _unreadable(checkup, door, who, name, table) if table else frozenset()


def _unreadable(checkup: Checkup, door: "Door", who: "Identity", name: str, table: str) -> frozenset[str]:
    """What is missing to read a table, and what is held beyond that."""
    from dreamclass_intel.warehouse.bigquery_findings import credentials_of
    from dreamclass_intel.warehouse.bigquery_refusals import Refused

    try:
        if load_settings().bigquery.emulated:
            raise Refused(Aspect.PERMITTED, "", "an emulator knows no grants")
        held = door.held_on_table(name, table, [*READING, *CHANGING])
    except Refused as refusal:
        checkup.unknown(Aspect.CREDENTIALS, f"what the identity may do to the export is not told: {refusal.words}")
        return frozenset()
    credentials_of(checkup, who, held & {*CHANGING}, f"on the export's {table}", BIGQUERY.privilege)
    return frozenset(READING) - held


def _place(checkup: Checkup, found: "bigquery.Dataset") -> None:
    settings = load_settings()
    place = str(found.location)
    if settings.warehouse == "bigquery" and place.upper() != settings.bigquery.location.upper():
        checkup.problem(
            Aspect.CONFIGURED,
            "location",
            f"the export lies in {place}, BIGQUERY_LOCATION is {settings.bigquery.location}: no query reads both. "
            "Neither moves: make the warehouse's data sets where the export is",
        )
    if found.default_table_expiration_ms:
        days = dt.timedelta(milliseconds=int(found.default_table_expiration_ms)).days
        checkup.warn(
            Aspect.QUOTA,
            f"{days} days kept",
            f"the export's tables expire after {days} days (BigQuery's sandbox does that): what is not loaded by then "
            "is lost; give the project a billing account and the data set no expiry",
        )


def _project(checkup: Checkup, door: "Door", who: "Identity", may_run: bool) -> None:
    from dreamclass_intel.warehouse.bigquery_access import READ_SESSIONS, RUN
    from dreamclass_intel.warehouse.bigquery_findings import lacks_on_project
    from dreamclass_intel.warehouse.bigquery_refusals import Refused

    lacking = set() if may_run else {RUN}
    settings = load_settings()
    if settings.warehouse == "duckdb" and not settings.bigquery.emulated:  # shards come by the Storage Read API
        try:
            lacking |= {READ_SESSIONS} - door.held_on_project([READ_SESSIONS])
        except Refused as refusal:
            words = f"whether {READ_SESSIONS} (roles/bigquery.readSessionUser) is there cannot be asked"
            checkup.unknown(Aspect.PERMITTED, f"{words}: {refusal.words}")
    lacks_on_project(checkup, who, door.project, lacking)
