"""Each source's probe, over real HTTP: what it says of a vendor that is well, refuses, hangs, is gone or mistimed."""

import datetime as dt
import email.utils
import re
import socket
from collections.abc import Iterator

import pytest
from starlette.responses import HTMLResponse, JSONResponse

from dreamclass_intel.doctor import examine as examination
from dreamclass_intel.doctor.examine import examine
from dreamclass_intel.doctor.report import Aspect, Level, at_level
from dreamclass_intel.settings import PROJECT_DIR, SOURCES
from dreamclass_intel_tests.doctor.conftest import found, grave, the
from dreamclass_intel_tests.doctor.vendors import BODIES, KEYS, STRIPE, live, variables

STANDIN = {"crm": "hubspot", "lead_scoring": "supabase"}
DOCUMENTED = " ".join((PROJECT_DIR / ".env.example").read_text(encoding="utf-8").replace("\n#", " ").split())
# What .env.example calls each, as it stands there.
PRIVILEGE = {
    "ga4": "Viewer on the property",
    "backend": "a token that may read GET /v1/events",
    "stripe": "read on Customers",
    "chartmogul": "a read-only API key",
    "crm": "crm.schemas.deals.read",
    "lead_scoring": "scoring_runs",
    "swan": "GET /v1/visits",
    "g2": "buyer_intent.read",
}


@pytest.fixture
def silent() -> Iterator[str]:
    """A host that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize("source", SOURCES)
def test_a_vendor_in_good_health(alone, tmp_path, source):
    with live(alone, tmp_path, source):
        report = found(source)
    assert grave(report) == []
    assert report.mode == "live"
    for aspect in (Aspect.CONFIGURED, Aspect.REACHABLE, Aspect.PERMITTED, Aspect.CLOCK):
        assert the(report, aspect).level is Level.OK
    assert set(report.variables_missing) == set()


def test_the_sandbox_is_in_good_health(sandbox, site):
    reports = examine()
    assert [r.subject for r in reports] == ["settings", *SOURCES, "warehouse"]
    assert at_level(reports, Level.PROBLEM) == at_level(reports, Level.WARNING) == []
    for report in reports[1:-1]:
        assert report.mode == "sandbox"
        # Measured against the wall clock: the sandbox's own now is years away.
        assert abs(float(the(report, Aspect.CLOCK).shown.split()[0])) < 30
    assert "199999 tokens" in the(reports[1], Aspect.QUOTA).shown
    assert the(reports[1 + SOURCES.index("crm")], Aspect.CREDENTIALS).level is Level.OK


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("kind", ["401", "403", "429", "503", "html"])
def test_the_stand_ins_faults(sandbox, site, settings_env, source, kind):
    settings_env(**{f"{_prefix(s)}_MODE": "off" for s in SOURCES if s != source})
    vendor = STANDIN.get(source, source)
    site.faults.add(vendor, kind, 1, path="/v1beta" if source == "ga4" else "")
    report = found(source)
    aspect, shown = {
        "401": (Aspect.PERMITTED, "refused"),
        "403": (Aspect.PERMITTED, "lacks a grant"),
        "429": (Aspect.QUOTA, "none left"),
        "503": (Aspect.REACHABLE, "HTTP 503"),
        "html": (Aspect.REACHABLE, "not its API"),
    }[kind]
    finding = the(report, aspect)
    assert (finding.level, finding.shown) == (Level.PROBLEM, shown)
    assert [f.aspect for f in grave(report)] == [aspect]
    assert site.faults.take(vendor, "/v1beta") is None, "the fault was not met"


def _prefix(source: str) -> str:
    return "SUPABASE" if source == "lead_scoring" else source.upper()


@pytest.mark.parametrize("source", SOURCES)
def test_a_refused_key_names_the_variable_and_what_it_needs(alone, tmp_path, source):
    asked: list[str] = []

    def refuse(request):
        asked.append(request.url.path)
        return JSONResponse({"message": f"no: {request.headers.get('authorization')}"}, 401)

    with live(alone, tmp_path, source, refuse):
        report = found(source)
    finding = the(report, Aspect.PERMITTED)
    assert (finding.level, finding.shown) == (Level.PROBLEM, "refused")
    assert PRIVILEGE[source] in finding.detail
    assert re.search(r"\b[A-Z][A-Z0-9_]+(KEY|TOKEN|CREDENTIALS)\b", finding.detail)
    assert the(report, Aspect.REACHABLE).level is Level.OK
    # Google's own session asks for a new token before it believes a 401.
    assert len(asked) == (3 if source == "ga4" else 1)


@pytest.mark.parametrize(
    ("source", "path", "grant"),
    [
        *(("stripe", f"/v1/{name}", f"read on {name.capitalize()}") for name in STRIPE),
        ("crm", "/crm/v3/objects/companies/search", "crm.objects.companies.read"),
        ("crm", "/crm/v3/objects/contacts/search", "crm.objects.contacts.read"),
        ("crm", "/crm/v3/objects/deals/search", "crm.objects.deals.read"),
        ("crm", "/crm/v3/owners", "crm.objects.owners.read"),
        ("crm", "/crm/v3/pipelines/deals", "crm.schemas.deals.read"),
        ("lead_scoring", "/rest/v1/scoring_runs", "SELECT on scoring_runs"),
        ("lead_scoring", "/rest/v1/lead_scores", "SELECT on lead_scores"),
        ("swan", "/v1/visits", "GET /v1/visits"),
        ("swan", "/v1/companies", "GET /v1/companies"),
        ("g2", "/api/v2/products/our-product/buyer_intent", "a token with the scope buyer_intent.read"),
        ("backend", "/v1/events", "a token that may read GET /v1/events"),
        ("chartmogul", "/v1/account", "a read-only API key"),
        ("ga4", "/v1beta/properties/7:runReport", "Viewer on the property"),
    ],
)
def test_the_missing_grant_is_named_and_the_others_are_still_tried(alone, tmp_path, source, path, grant):
    asked: list[str] = []

    def refuse(request):
        asked.append(request.url.path)
        return JSONResponse({"message": "forbidden"}, 403) if request.url.path == path else None

    with live(alone, tmp_path, source, refuse):
        report = found(source)
    (finding,) = grave(report)
    assert (finding.aspect, finding.level) == (Aspect.PERMITTED, Level.PROBLEM)
    assert f"lacks: {grant} (" in finding.detail
    assert set(asked) == set(BODIES[source]) - {"/token"}


def test_every_privilege_is_the_documented_one(alone, tmp_path):
    from importlib import import_module

    expanded = DOCUMENTED.replace("crm.objects.{companies,contacts,deals}.read", "crm.objects.companies.read, "
                                  "crm.objects.contacts.read, crm.objects.deals.read")  # fmt: skip
    accesses = [
        access
        for source in SOURCES
        for module in [import_module(f"dreamclass_intel.defs.{source}.doctor")]
        for name, access in vars(module).items()
        if type(access).__name__ == "Access" and name != "LISTING"
    ]
    assert len(accesses) == len(SOURCES) + 1
    for access in accesses:
        assert access.privilege in expanded
        for name in (*access.address.split(" and "), access.key):
            assert re.search(rf"\b{name}\b", DOCUMENTED), name


@pytest.mark.parametrize("source", SOURCES)
def test_a_rate_limit_is_told_and_not_waited_for(alone, tmp_path, source):
    def limit(_request):
        return JSONResponse({"error": {"message": "slow down"}}, 429, {"Retry-After": "30"})

    with live(alone, tmp_path, source, limit):
        report = found(source)
    finding = the(report, Aspect.QUOTA)
    assert (finding.level, finding.shown) == (Level.PROBLEM, "none left")
    assert "asks to wait 30 s" in finding.detail


@pytest.mark.parametrize("source", SOURCES)
def test_a_vendor_that_is_gone(alone, tmp_path, source):
    with live(alone, tmp_path, source):
        pass
    finding = the(found(source), Aspect.REACHABLE)
    assert (finding.level, finding.shown) == (Level.PROBLEM, "no")
    assert re.search(r"check [A-Z0-9]+_", finding.detail)


@pytest.mark.parametrize("source", SOURCES)
def test_a_vendor_that_hangs(alone, tmp_path, source, silent, monkeypatch):
    monkeypatch.setattr(examination, "REQUEST_S", 0.3)
    alone(**variables(source, silent, tmp_path))
    finding = the(found(source), Aspect.REACHABLE)
    assert (finding.level, finding.shown) == (Level.PROBLEM, "no")


def test_what_no_time_out_ends_the_deadline_does(alone, tmp_path, silent, monkeypatch):
    monkeypatch.setattr(examination, "DEADLINE_S", 0.5)
    alone(**variables("swan", silent, tmp_path))
    finding = the(found("swan"), Aspect.REACHABLE)
    assert (finding.level, finding.shown) == (Level.PROBLEM, "hangs")
    assert "SWAN_" not in finding.detail


@pytest.mark.parametrize("source", SOURCES)
def test_a_web_page_is_not_the_api(alone, tmp_path, source):
    with live(alone, tmp_path, source, lambda _request: HTMLResponse("<html>Sign in</html>")):
        finding = the(found(source), Aspect.REACHABLE)
    assert (finding.level, finding.shown) == (Level.PROBLEM, "not its API")


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(("ahead_s", "words"), [(95, "behind the vendor's"), (-95, "ahead of the vendor's"), (30, "")])
def test_the_clock(alone, tmp_path, source, ahead_s, words):
    date = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=ahead_s)
    with live(alone, tmp_path, source, date=email.utils.format_datetime(date, usegmt=True)):
        finding = the(found(source), Aspect.CLOCK)
    assert abs(int(finding.shown.removesuffix(" s")) - ahead_s) <= 10
    assert finding.level is (Level.WARNING if words else Level.OK)
    assert words in finding.detail


def test_a_cached_answers_age_is_allowed_for(alone, tmp_path):
    def cached(_request):
        return JSONResponse(BODIES["backend"]["/v1/events"], headers={"Age": "600"})

    date = email.utils.format_datetime(dt.datetime.now(dt.UTC) - dt.timedelta(seconds=600), usegmt=True)
    with live(alone, tmp_path, "backend", cached, date=date):
        assert the(found("backend"), Aspect.CLOCK).level is Level.OK


@pytest.mark.parametrize("source", SOURCES)
def test_without_variables_it_is_off_and_says_what_is_missing(alone, source):
    report = found(source)
    assert (report.mode, grave(report)) == ("off", [])
    assert report.variables_missing
    assert [f.aspect for f in report.findings] == [Aspect.CONFIGURED]


@pytest.mark.parametrize("source", SOURCES)
def test_live_without_variables_is_a_problem_of_that_source_alone(alone, tmp_path, source):
    other = "swan" if source != "swan" else "backend"
    with live(alone, tmp_path, other, **{f"{_prefix(source)}_MODE": "live"}):
        report, healthy = found(source), found(other)
    finding = the(report, Aspect.CONFIGURED)
    assert finding.level is Level.PROBLEM
    assert all(name in finding.detail for name in report.variables_missing)
    assert the(healthy, Aspect.REACHABLE).level is Level.OK


@pytest.mark.parametrize(("source", "given", "missing"), [
    ("backend", "BACKEND_TOKEN", "BACKEND_BASE_URL"),
    ("lead_scoring", "SUPABASE_URL", "SUPABASE_KEY"),
    ("g2", "G2_API_TOKEN", "G2_PRODUCT_ID"),
])  # fmt: skip
def test_half_of_the_variables_is_a_warning(alone, source, given, missing):
    alone(**{given: KEYS[source]})
    finding = the(found(source), Aspect.CONFIGURED)
    assert finding.level is Level.WARNING
    assert finding.detail == f"{given} is set, but {missing} is not: the source is off"
