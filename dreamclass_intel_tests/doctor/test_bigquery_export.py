"""GA4's export on BigQuery, read by its own grants: what is missing, what is too much, where it lies, how long."""

from collections.abc import Callable
from typing import Any

import pytest

from dreamclass_intel.doctor.report import Aspect, Level, Report
from dreamclass_intel_tests.doctor.conftest import found, grave, the
from dreamclass_intel_tests.doctor.google import EMAIL, RUN, VIEWER, Google, error, serving
from dreamclass_intel_tests.doctor.test_bigquery import CUSTOM, ENABLE, off
from dreamclass_intel_tests.doctor.vendors import live

SESSIONS = "bigquery.readsessions.create"
NAME = "analytics_7"
LEAST: dict[str | None, set[str]] = {None: {RUN, SESSIONS}, NAME: VIEWER}
Examine = Callable[..., Report]


def export(grants: dict[str | None, set[str]], place: str = "EU", **more: Any) -> Google:
    shards = more.pop("shards", ("events_20240101", "events_intraday_20240102"))
    return Google(grants, {NAME: place}, {NAME: list(shards)}, shards=shards, **more)


@pytest.fixture
def examine(alone, tmp_path, monkeypatch) -> Examine:
    """What the doctor says of GA4 whose export lies on that Google; its Data API is well."""

    def run(google: Google, **variables: object) -> Report:
        with live(alone, tmp_path, "ga4"), serving(google, tmp_path, monkeypatch) as key:
            given = {"GA4_ROUTE": "bigquery", "GA4_BIGQUERY_PROJECT": "school", "BIGQUERY_KEYFILE": key}
            alone(**{**given, **variables})
            return found("ga4")

    return run


def only(report: Report) -> tuple[Aspect, Level, str]:
    (finding,) = grave(report)
    return finding.aspect, finding.level, finding.detail


def test_the_least_grants_are_enough(examine):
    report = examine(export(LEAST))
    assert grave(report) == []
    assert the(report, Aspect.CREDENTIALS).shown == EMAIL
    assert the(report, Aspect.REACHABLE).level is the(report, Aspect.PERMITTED).level is Level.OK


def test_within_bigquery_no_read_sessions_are_needed(examine):
    within = {None: {RUN}, NAME: VIEWER}
    assert grave(examine(export(within), WAREHOUSE="bigquery", BIGQUERY_PROJECT="school")) == []
    assert only(examine(export(within), WAREHOUSE="duckdb"))[2] == (
        f"{EMAIL} lacks {SESSIONS}: give it roles/bigquery.readSessionUser on the project school"
    )


@pytest.mark.parametrize(
    ("grants", "words"),
    [
        (
            {None: {SESSIONS}, NAME: VIEWER},
            f"lacks {RUN}: give it roles/bigquery.jobUser on the project school",
        ),
        (
            {None: {RUN, SESSIONS}},
            f"lacks bigquery.datasets.get on {NAME} (or there is no such data set): roles/bigquery.metadataViewer "
            "holds it; loads need roles/bigquery.dataViewer",
        ),
        (
            {None: {RUN, SESSIONS}, NAME: VIEWER - {"bigquery.tables.list"}},
            f"lacks bigquery.tables.list on {NAME}: roles/bigquery.metadataViewer holds it; loads need "
            "roles/bigquery.dataViewer",
        ),
        (
            {None: {RUN, SESSIONS}, NAME: VIEWER - {"bigquery.tables.getData"}},
            f"lacks bigquery.tables.getData on {NAME}: give it roles/bigquery.dataViewer",
        ),
    ],
)
def test_a_missing_grant_is_named_with_the_least_role_that_holds_it(examine, grants, words):
    report = examine(export(grants))
    assert only(report) == (Aspect.PERMITTED, Level.PROBLEM, f"{EMAIL} {words}")
    assert "tokens" in the(report, Aspect.QUOTA).shown, "the Data API is asked all the same"


def test_both_roles_of_the_project_are_named_together(examine):
    assert only(examine(export({NAME: VIEWER})))[2] == (
        f"{EMAIL} lacks {RUN}, {SESSIONS}: give it roles/bigquery.jobUser and roles/bigquery.readSessionUser on the "
        "project school"
    )


def test_rights_beyond_reading_are_named(examine):
    grants = {None: {RUN, SESSIONS}, NAME: {*VIEWER, "bigquery.tables.updateData"}}
    aspect, level, words = only(examine(export(grants)))
    assert (aspect, level) == (Aspect.CREDENTIALS, Level.WARNING)
    assert (
        "may also bigquery.tables.updateData on the export's events_20240101: give it roles/bigquery.dataViewer"
        in words
    )


def test_what_cannot_be_asked_is_said(examine):
    report = examine(export(LEAST, trouble=off))
    assert grave(report) == []
    assert f"whether {SESSIONS} (roles/bigquery.readSessionUser) is there" in the(report, Aspect.PERMITTED).detail

    def untold(request: Any, _body: dict[str, Any]) -> Any:
        return (
            error(403, "accessDenied", "no") if ":test" in request.url.path and "tables" in request.url.path else None
        )

    report = examine(export(LEAST, trouble=untold))
    assert grave(report) == []
    assert the(report, Aspect.CREDENTIALS).level is Level.UNKNOWN


def test_an_export_elsewhere_cannot_be_read_within_bigquery(examine):
    assert grave(examine(export(LEAST, "US"))) == []
    aspect, level, words = only(examine(export(LEAST, "US"), WAREHOUSE="bigquery", BIGQUERY_PROJECT="school"))
    assert (aspect, level) == (Aspect.CONFIGURED, Level.PROBLEM)
    assert words.startswith("the export lies in US, BIGQUERY_LOCATION is EU: no query reads both.")


def test_an_export_that_expires_is_a_warning(examine):
    report = examine(export(LEAST, expiry_ms=60 * 86_400_000))
    (finding,) = grave(report)
    assert (finding.level, finding.shown) == (Level.WARNING, "60 days kept")


def test_an_export_without_a_day_and_none_at_all(examine):
    assert the(examine(export(LEAST, shards=("events_intraday_20240102",))), Aspect.REACHABLE).shown == "no shard"
    none = Google({None: {RUN, SESSIONS, *VIEWER}}, {})
    finding = the(examine(none), Aspect.REACHABLE)
    assert (finding.level, finding.shown) == (Level.PROBLEM, "no export")
    assert f"there is no data set {NAME} in project school: link the property to BigQuery" in finding.detail


@pytest.mark.parametrize(
    ("reason", "message", "aspect", "words"),
    [
        ("quotaExceeded", CUSTOM, Aspect.QUOTA, "until midnight Pacific time"),
        ("accessNotConfigured", ENABLE, Aspect.CONFIGURED, "gcloud services enable bigquery.googleapis.com"),
    ],
)
def test_what_is_no_grant_is_not_called_one(examine, reason, message, aspect, words):
    report = examine(export(LEAST, trouble=lambda *_: error(403, reason, message)))
    assert only(report)[0] is aspect
    assert words in only(report)[2]


def test_bigquery_that_is_gone(alone, tmp_path, monkeypatch):
    with serving(export(LEAST), tmp_path, monkeypatch):
        pass
    with live(alone, tmp_path, "ga4"):
        alone(GA4_ROUTE="bigquery", GA4_BIGQUERY_PROJECT="school")
        report = found("ga4")
    assert the(report, Aspect.REACHABLE).shown == "no"
    assert the(report, Aspect.QUOTA).level is Level.OK, "the Data API is asked all the same"


def test_an_emulator_has_no_grants(alone, tmp_path, bigquery_endpoint):
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import bigquery

    client = bigquery.Client(
        "doctors-export", AnonymousCredentials(), client_options={"api_endpoint": bigquery_endpoint}
    )
    client.create_dataset(NAME)
    schema = [bigquery.SchemaField("event_date", "STRING")]
    client.create_table(bigquery.Table(f"doctors-export.{NAME}.events_20240101", schema))
    with live(alone, tmp_path, "ga4"):
        alone(GA4_ROUTE="bigquery", GA4_BIGQUERY_PROJECT="doctors-export", BIGQUERY_API_ENDPOINT=bigquery_endpoint)
        report = found("ga4")
    assert grave(report) == []
    assert the(report, Aspect.CREDENTIALS).detail.endswith("an emulator knows no grants")
