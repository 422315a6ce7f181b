"""BigQuery as the warehouse: reached as whom, where its data sets lie, what is missing, what is too much."""

import datetime as dt
import email.utils
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import google.auth
import pytest
import yaml
from google.oauth2.credentials import Credentials
from starlette.responses import HTMLResponse, JSONResponse
from typer.testing import CliRunner

from dreamclass_intel.cli import app
from dreamclass_intel.doctor import examine as examination
from dreamclass_intel.doctor.report import Aspect, Level, Report
from dreamclass_intel.settings import PROJECT_DIR
from dreamclass_intel.warehouse import bigquery_doctor
from dreamclass_intel_tests.contract import proxy as proxies
from dreamclass_intel_tests.contract.proxy import Fault
from dreamclass_intel_tests.doctor.conftest import found, grave, the
from dreamclass_intel_tests.doctor.google import EDITOR, EMAIL, MAKE, RUN, SCHEMAS, VIEWER, Google, error, serving
from dreamclass_intel_tests.doctor.test_sources import silent  # noqa: F401

Examine = Callable[..., Report]
LEAST: dict[str | None, set[str]] = {None: {RUN}, **dict.fromkeys(SCHEMAS, EDITOR)}


@pytest.fixture
def examine(alone, tmp_path, monkeypatch) -> Examine:
    """What the doctor says of a warehouse on that Google."""

    def run(google: Google, *, date: str | None = None, **variables: object) -> Report:
        with serving(google, tmp_path, monkeypatch, date=date) as key:
            alone(**{"WAREHOUSE": "bigquery", "BIGQUERY_PROJECT": "school", "BIGQUERY_KEYFILE": key, **variables})
            return found("warehouse")

    return run


def only(report: Report) -> tuple[Aspect, Level, str]:
    """Its one problem or warning."""
    (finding,) = grave(report)
    return finding.aspect, finding.level, finding.detail


# --- in good health ------------------------------------------------------------------------------------------------


def test_the_least_grants_are_enough(examine):
    google = Google(LEAST)
    report = examine(google)
    assert grave(report) == []
    assert (the(report, Aspect.CONFIGURED).shown, report.mode) == ("school EU", "bigquery")
    assert the(report, Aspect.CREDENTIALS).shown == EMAIL
    assert the(report, Aspect.CREDENTIALS).detail == "service account (key file)"
    assert the(report, Aspect.REACHABLE).shown.endswith(" ms")
    assert the(report, Aspect.PERMITTED).level is the(report, Aspect.CLOCK).level is Level.OK
    assert the(report, Aspect.QUOTA).shown == "100 GiB a query"
    assert "BIGQUERY_PROJECT" in report.variables_set
    # Nothing but dry runs and questions (the stand-in refuses to run anything).
    assert {path.rsplit("/", 1)[1] for path in google.asked} <= {
        "jobs", "tables", "some_table:testIamPermissions", "school:testIamPermissions", *SCHEMAS
    }  # fmt: skip


def test_the_data_sets_are_the_contracts_and_dbts():
    project = yaml.safe_load((PROJECT_DIR / "dbt" / "dbt_project.yml").read_text(encoding="utf-8"))
    assert {node["+schema"] for node in project["models"]["dreamclass"].values()} == set(bigquery_doctor.MODELS)


def test_the_least_grants_are_the_documented_ones():
    text = " ".join((PROJECT_DIR / ".env.example").read_text(encoding="utf-8").replace("\n#", " ").split())
    assert bigquery_doctor.LEAST in text


def test_the_command_says_it_in_its_exit_code(alone, tmp_path, monkeypatch):
    def run(google: Google) -> tuple[int, str]:
        with serving(google, tmp_path, monkeypatch) as key:
            alone(WAREHOUSE="bigquery", BIGQUERY_PROJECT="school", BIGQUERY_KEYFILE=key)
            result = CliRunner().invoke(app, ["doctor"])
            private = json.loads(key.read_text())["private_key"]
        assert private.splitlines()[1] not in result.output
        return result.exit_code, result.output

    code, text = run(Google(LEAST))
    assert (code, EMAIL in text, text.splitlines()[-1]) == (0, True, "no problems, no warnings")
    code, text = run(Google({**LEAST, None: set()}))
    assert code == 1
    assert f"PROBLEM  warehouse, permitted: {EMAIL} lacks bigquery.jobs.create: " in text


# --- missing grants ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("grants", "words"),
    [
        (
            {**LEAST, None: set()},
            "lacks bigquery.jobs.create: give it roles/bigquery.jobUser on the project school",
        ),
        (
            {**LEAST, "raw": VIEWER},
            "lacks bigquery.tables.create, bigquery.tables.delete, bigquery.tables.update, bigquery.tables.updateData "
            "on raw: give it roles/bigquery.dataEditor",
        ),
        (
            {**LEAST, "raw": EDITOR - {"bigquery.tables.create"}, "xmr": EDITOR - {"bigquery.tables.create"}},
            "lacks bigquery.tables.create on raw, xmr: give it roles/bigquery.dataEditor on each",
        ),
        (
            {**LEAST, "core": EDITOR - {"bigquery.tables.getData"}},
            "lacks bigquery.tables.getData on core: roles/bigquery.dataViewer holds it; loads need "
            "roles/bigquery.dataEditor",
        ),
        (
            {**LEAST, "marts": set()},
            "lacks bigquery.datasets.get on marts (or there is no such data set): roles/bigquery.metadataViewer holds "
            "it; loads need roles/bigquery.dataEditor",
        ),
    ],
)
def test_a_missing_grant_is_named_with_the_least_role_that_holds_it(examine, grants, words):
    assert only(examine(Google(grants))) == (Aspect.PERMITTED, Level.PROBLEM, f"{EMAIL} {words}")


def test_read_sessions_are_asked_about_where_they_are_used(examine):
    google = Google(LEAST)
    assert grave(examine(google)) == []
    assert only(examine(google, BIGQUERY_STORAGE_API="true"))[2] == (
        f"{EMAIL} lacks bigquery.readsessions.create: give it roles/bigquery.readSessionUser on the project school"
    )
    assert grave(examine(Google({**LEAST, None: {RUN, "bigquery.readsessions.create"}}))) == []


def test_data_sets_that_are_not_there_must_be_makeable(examine):
    first = Google({None: {RUN, MAKE, *EDITOR}}, {"raw": "EU"})
    assert grave(examine(first)) == [], "until its data sets are there, the suite may need the whole project"
    first.grants = {None: {RUN, *EDITOR}}
    missing = "core, xmr, staging, intermediate, marts"
    assert only(examine(first))[2] == (
        f"{EMAIL} lacks {MAKE}: give it roles/bigquery.user on the project school, or make {missing} in EU and give it "
        "roles/bigquery.dataEditor on each"
    )


def test_a_prefix_names_other_data_sets(examine):
    names = [f"dci_{name}" for name in SCHEMAS]
    google = Google({None: {RUN}, **dict.fromkeys(names, EDITOR)}, dict.fromkeys(names, "EU"), {"dci_raw": ["t"]})
    report = examine(google, BIGQUERY_DATASET_PREFIX="dci_")
    assert grave(report) == []
    assert the(report, Aspect.CONFIGURED).detail.startswith("data sets dci_…, as suite@")


def off(request: Any, _body: dict[str, Any]) -> Any:
    """The Cloud Resource Manager's API, in a project where nobody has turned it on."""
    if not request.url.path.startswith("/v1/projects"):
        return None
    words = (
        "Cloud Resource Manager API has not been used in project 42 before or it is disabled. Enable it by visiting "
        "https://console.developers.google.com/apis/api/cloudresourcemanager.googleapis.com/overview?project=42 then "
        "retry. If you enabled this API recently, wait a few minutes for the action to propagate."
    )
    return error(403, "accessNotConfigured", words)


def test_without_the_resource_manager_the_dry_runs_tell(examine):
    report = examine(Google(LEAST, trouble=off))
    assert grave(report) == []
    finding = the(report, Aspect.CREDENTIALS)
    assert finding.level is Level.UNKNOWN
    assert "gcloud services enable cloudresourcemanager.googleapis.com --project school" in finding.detail
    absent = Google({**LEAST, None: {RUN, "bigquery.datasets.get"}}, {"raw": "EU"}, trouble=off)
    assert only(examine(absent))[2].startswith(f"{EMAIL} lacks {MAKE}: give it roles/bigquery.user on the project")
    absent.grants[None].add(MAKE)
    assert grave(examine(absent)) == []


def test_what_may_not_be_looked_at_may_not_be_there(examine):
    """BigQuery says no to both alike."""
    report = examine(Google(LEAST, {n: "EU" for n in SCHEMAS if n != "xmr"}))
    assert "lacks bigquery.datasets.get on xmr (or there is no such data set)" in only(report)[2]


# --- too much ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "extra", ["resourcemanager.projects.setIamPolicy", "bigquery.datasets.delete", "iam.serviceAccounts.actAs"]
)
def test_an_owners_credentials_are_too_wide(examine, extra):
    aspect, level, words = only(examine(Google({**LEAST, None: {RUN, extra}})))
    assert (aspect, level) == (Aspect.CREDENTIALS, Level.WARNING)
    assert words == f"{EMAIL} may also {extra} on the whole project: give it {bigquery_doctor.LEAST}, no more"


def test_an_editor_of_everything_is_too_wide_once_the_data_sets_are_there(examine):
    assert (
        "may also bigquery.tables.updateData on the whole project" in only(examine(Google({None: {RUN, *EDITOR}})))[2]
    )


def test_a_persons_own_login_is_told(examine, monkeypatch):
    own = Credentials("token", account="ann@school.example")
    monkeypatch.setattr(google.auth, "default", lambda **_: (own, "school"))
    report = examine(Google(LEAST), BIGQUERY_KEYFILE="")
    (finding,) = grave(report)
    assert (finding.aspect, finding.level, finding.shown) == (Aspect.CREDENTIALS, Level.WARNING, "a person's")
    assert f"make a service account with {bigquery_doctor.LEAST}" in finding.detail


# --- where and how much --------------------------------------------------------------------------------------------


def test_a_data_set_elsewhere_is_a_problem(examine):
    places = {**dict.fromkeys(SCHEMAS, "eu"), "marts": "US"}
    aspect, level, words = only(examine(Google(LEAST, places)))
    assert (aspect, level) == (Aspect.CONFIGURED, Level.PROBLEM)
    assert words.startswith("BIGQUERY_LOCATION is EU, but there is marts in US: ")
    assert grave(examine(Google(LEAST, dict.fromkeys(SCHEMAS, "europe-west3")), BIGQUERY_LOCATION="EUROPE-WEST3")) == []


def test_a_cost_guard_that_is_off_is_a_warning(examine):
    finding = the(examine(Google(LEAST), BIGQUERY_MAXIMUM_GIB_BILLED="0"), Aspect.QUOTA)
    assert (finding.level, finding.shown) == (Level.WARNING, "no cost limit")


@pytest.mark.parametrize(("ahead_s", "words"), [(95, "behind the vendor's"), (-95, "ahead of the vendor's"), (0, "")])
def test_the_clock(examine, ahead_s, words):
    date = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=ahead_s)
    finding = the(examine(Google(LEAST), date=email.utils.format_datetime(date, usegmt=True)), Aspect.CLOCK)
    assert finding.level is (Level.WARNING if words else Level.OK)
    assert words in finding.detail


# --- refusals ------------------------------------------------------------------------------------------------------

ENABLE = (
    "BigQuery API has not been used in project 42 before or it is disabled. Enable it by visiting "
    "https://console.developers.google.com/apis/api/bigquery.googleapis.com/overview?project=42 then retry."
)
CUSTOM = (
    "Custom quota exceeded: Your usage exceeded the custom quota for QueryUsagePerDay, which is set by your "
    "administrator. For more information, see https://cloud.google.com/bigquery/cost-controls"
)
DAILY = "Quota exceeded: Your project exceeded quota for free query bytes scanned."
RATE = "Exceeded rate limits: too many api requests per user per method for this user_method"
UNBILLED = "Billing has not been enabled for this project. Enable billing at https://console.cloud.google.com/billing."
DISABLED = "gcloud services enable bigquery.googleapis.com --project school"
REFUSALS: list[tuple[int, str, str, Aspect, str, str]] = [
    (403, "accessNotConfigured", ENABLE, Aspect.CONFIGURED, "API off", DISABLED),
    (403, "SERVICE_DISABLED", ENABLE, Aspect.CONFIGURED, "API off", DISABLED),
    (400, "invalid", "The project school has not enabled BigQuery.", Aspect.CONFIGURED, "API off", DISABLED),
    (403, "billingNotEnabled", UNBILLED, Aspect.CONFIGURED, "no billing", "gcloud billing projects link school"),
    (403, "quotaExceeded", CUSTOM, Aspect.QUOTA, "none left", "set is used up until midnight Pacific time"),
    (403, "quotaExceeded", DAILY, Aspect.QUOTA, "none left", "a quota of project school is used up"),
    (403, "rateLimitExceeded", RATE, Aspect.QUOTA, "too many calls", "too many api requests"),
    (401, "authError", "Invalid Credentials", Aspect.PERMITTED, "refused", "Invalid Credentials"),
    (404, "notFound", "Not found: Project school", Aspect.CONFIGURED, "no project", "there is no project school"),
    (400, "invalid", "Invalid value for location: EU.", Aspect.CONFIGURED, "location", "no such location"),
    (500, "internalError", "An internal error occurred", Aspect.REACHABLE, "HTTP 500", "BIGQUERY_API_ENDPOINT"),
]


@pytest.mark.parametrize(("status", "reason", "message", "aspect", "shown", "words"), REFUSALS)
def test_what_bigquery_says_is_told_as_what_it_is(examine, status, reason, message, aspect, shown, words):
    report = examine(Google(LEAST, trouble=lambda *_: error(status, reason, message)))
    finding = the(report, aspect)
    assert (finding.level, finding.shown) == (Level.PROBLEM, shown)
    assert words in finding.detail
    assert [f.aspect for f in grave(report)] == [aspect]
    assert (aspect is Aspect.REACHABLE) or the(report, Aspect.REACHABLE).level is Level.OK


def test_a_quota_that_ends_in_the_middle_is_told(examine):
    def later(request: Any, _body: dict[str, Any]) -> Any:
        return error(403, "quotaExceeded", DAILY) if request.url.path.endswith("/datasets/core") else None

    assert only(examine(Google(LEAST, trouble=later)))[0] is Aspect.QUOTA


def test_a_web_page_is_not_bigquery(examine):
    finding = the(examine(Google(LEAST, trouble=lambda *_: HTMLResponse("<html>Sign in</html>"))), Aspect.REACHABLE)
    assert (finding.level, finding.shown) == (Level.PROBLEM, "not its API")


@pytest.mark.parametrize(
    ("answer", "aspect", "words"),
    [
        ({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, Aspect.PERMITTED, "a new one"),
        (
            {
                "error": "invalid_grant",
                "error_description": "Invalid JWT: Token must be a short-lived token (60 minutes) and in a reasonable "
                "timeframe. Check your iat and exp values in the JWT claim.",
            },
            Aspect.CLOCK,
            "set the clock by NTP",
        ),
        ({"error": "invalid_grant", "error_description": "Invalid grant: account not found"}, Aspect.PERMITTED, "gone"),
        ({"error": "unauthorized_client", "error_description": "assertion=ey.canary"}, Aspect.PERMITTED, "no token"),
    ],
)
def test_a_key_that_google_refuses(examine, monkeypatch, answer, aspect, words):
    def answers(self: Google) -> dict[str, Any]:
        return {"/token": lambda _request: JSONResponse(answer, 400)}

    monkeypatch.setattr(Google, "answers", answers)
    report = examine(Google(LEAST))
    finding = the(report, aspect)
    assert finding.level is Level.PROBLEM
    assert words in finding.detail
    assert "canary" not in repr(report)


def test_a_key_file_that_is_none(examine, tmp_path):
    finding = the(examine(Google(LEAST), BIGQUERY_KEYFILE=tmp_path / "gone.json"), Aspect.CONFIGURED)
    assert (finding.level, "BIGQUERY_KEYFILE: FileNotFoundError" in finding.detail) == (Level.PROBLEM, True)


def test_no_credentials_at_all(examine, monkeypatch):
    def nowhere(**_: Any) -> Any:
        raise google.auth.exceptions.DefaultCredentialsError("Your default credentials were not found.")

    monkeypatch.setattr(google.auth, "default", nowhere)
    finding = the(examine(Google(LEAST), BIGQUERY_KEYFILE=""), Aspect.CONFIGURED)
    assert (finding.level, finding.shown) == (Level.PROBLEM, "no credentials")
    assert "BIGQUERY_KEYFILE" in finding.detail


def test_no_project(alone):
    alone(WAREHOUSE="bigquery")
    report = found("warehouse")
    assert (the(report, Aspect.CONFIGURED).shown, report.variables_missing) == ("no project", ("BIGQUERY_PROJECT",))


# --- nobody there --------------------------------------------------------------------------------------------------


def test_bigquery_that_is_gone(alone, tmp_path, monkeypatch):
    with serving(Google(LEAST), tmp_path, monkeypatch) as key:
        pass
    alone(WAREHOUSE="bigquery", BIGQUERY_PROJECT="school", BIGQUERY_KEYFILE=key)
    finding = the(found("warehouse"), Aspect.REACHABLE)
    assert (finding.level, finding.shown) == (Level.PROBLEM, "no")
    assert "check BIGQUERY_PROJECT, BIGQUERY_API_ENDPOINT" in finding.detail


def test_bigquery_that_hangs(alone, silent, monkeypatch):  # noqa: F811
    monkeypatch.setattr(examination, "REQUEST_S", 0.3)
    alone(WAREHOUSE="bigquery", BIGQUERY_PROJECT="school", BIGQUERY_API_ENDPOINT=silent)
    finding = the(found("warehouse"), Aspect.REACHABLE)
    assert (finding.level, finding.shown) == (Level.PROBLEM, "no")


# --- an emulator ---------------------------------------------------------------------------------------------------


@contextmanager
def emulated(alone, endpoint: str, project: str) -> Iterator[proxies.Proxy]:
    with proxies.before(endpoint) as proxy:
        alone(WAREHOUSE="bigquery", BIGQUERY_PROJECT=project, BIGQUERY_API_ENDPOINT=proxy.url)
        yield proxy


def test_an_emulator_has_no_grants_and_that_is_no_fault(alone, bigquery_endpoint):
    with emulated(alone, bigquery_endpoint, "doctor-1") as proxy:
        report = found("warehouse")
        assert grave(report) == []
        for aspect in (Aspect.PERMITTED, Aspect.CREDENTIALS):
            assert the(report, aspect).level is Level.UNKNOWN
            assert "is an emulator, which knows no grants" in the(report, aspect).detail
        assert the(report, Aspect.REACHABLE).level is the(report, Aspect.CLOCK).level is Level.OK
        assert {q["dryRun"] for q in proxy.queries()} == {True}
        assert not [a for a in proxy.asked if a.method in ("PUT", "PATCH", "DELETE")]


def test_an_emulators_data_set_elsewhere_and_its_quota(alone, bigquery_endpoint):
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import bigquery

    client = bigquery.Client("doctor-2", AnonymousCredentials(), client_options={"api_endpoint": bigquery_endpoint})
    made = bigquery.Dataset("doctor-2.raw")
    made.location = "US"
    client.create_dataset(made)
    with emulated(alone, bigquery_endpoint, "doctor-2") as proxy:
        assert only(found("warehouse"))[2].startswith("BIGQUERY_LOCATION is EU, but there is raw in US")
        proxy.faults.append(Fault(lambda asked: bool(asked.query), 403, "quotaExceeded", CUSTOM))
        assert only(found("warehouse"))[0] is Aspect.QUOTA


def test_the_probe_loads_and_makes_nothing(alone, tmp_path, bigquery_endpoint):
    with emulated(alone, bigquery_endpoint, "doctor-3"):
        found("warehouse")
        found("warehouse")
    assert not Path(tmp_path / "state").exists()
