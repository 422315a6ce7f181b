"""Keys that may do more than they must, quotas that run out, and what the doctor cannot know and says so."""

import base64
import json

import pytest
from starlette.responses import JSONResponse

from dreamclass_intel.defs.crm.doctor import NEEDED
from dreamclass_intel.doctor.report import Aspect, Level
from dreamclass_intel_tests.doctor.conftest import found, grave, the
from dreamclass_intel_tests.doctor.vendors import live

TOKEN_INFO = "/oauth/v2/private-apps/get/access-token-info"


FAR = 4_102_444_800  # 2100: fixed, since test ids are made of it


def jwt(**claims: object) -> str:
    def part(body: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(body).encode()).decode().rstrip("=")

    return f"{part({'alg': 'HS256'})}.{part(claims)}.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    ("key", "level", "shown"),
    [
        ("rk_live_4242424242", Level.UNKNOWN, "?"),
        ("sk_live_4242424242", Level.WARNING, "full access"),
        ("rk_test_4242424242", Level.WARNING, "test mode"),
        ("pk_live_4242424242", Level.WARNING, "what key?"),
    ],
)
def test_stripes_key_tells_by_its_name(alone, tmp_path, key, level, shown):
    with live(alone, tmp_path, "stripe", STRIPE_API_KEY=key):
        finding = the(found("stripe"), Aspect.CREDENTIALS)
    assert (finding.level, finding.shown) == (level, shown)
    assert key not in finding.detail
    if shown == "full access":
        assert "make a restricted key (rk_live_…) instead: a restricted key with read on Customers" in finding.detail


@pytest.mark.parametrize(
    ("key", "level", "words"),
    [
        ("sb_secret_4242424242", Level.WARNING, "a secret key (sb_secret_…)"),
        (jwt(role="service_role", exp=FAR), Level.WARNING, "a service_role key"),
        (jwt(role="anon", exp=FAR), Level.OK, ""),
        (jwt(role="reader"), Level.OK, ""),
        ("sb_publishable_4242424242", Level.OK, ""),
        ("opaque-4242424242", Level.UNKNOWN, "no form that tells its role"),
        ("a.b.c", Level.UNKNOWN, "no form that tells its role"),
        (jwt(role=5), Level.OK, ""),
        ("x." + base64.urlsafe_b64encode(b"[1]").decode() + ".y", Level.UNKNOWN, "no form"),
    ],
)
def test_supabases_key_tells_its_role(alone, tmp_path, key, level, words):
    with live(alone, tmp_path, "lead_scoring", SUPABASE_KEY=key):
        report = found("lead_scoring")
    finding = the(report, Aspect.CREDENTIALS)
    assert finding.level is level
    assert words in finding.detail
    assert the(report, Aspect.PERMITTED).level is Level.OK
    assert key not in repr(report)


def test_supabases_expired_token(alone, tmp_path):
    with live(alone, tmp_path, "lead_scoring", SUPABASE_KEY=jwt(role="anon", exp=1)):
        finding = the(found("lead_scoring"), Aspect.PERMITTED)
    assert (finding.level, finding.shown) == (Level.PROBLEM, "expired")


def test_supabases_row_level_security_that_hides_everything(alone, tmp_path):
    def hide(request):
        return JSONResponse([]) if request.url.path.endswith("lead_scores") else None

    with live(alone, tmp_path, "lead_scoring", hide):
        (finding,) = grave(found("lead_scoring"))
    assert (finding.aspect, finding.level) == (Aspect.PERMITTED, Level.WARNING)
    assert "lead_scores shows no row" in finding.detail
    assert "row-level security" in finding.detail


def test_hubspots_surplus_scopes_are_named(alone, tmp_path):
    surplus = ["crm.objects.deals.write", "files"]

    def wide(request):
        return JSONResponse({"scopes": [*surplus, "oauth", *NEEDED]}) if request.url.path == TOKEN_INFO else None

    with live(alone, tmp_path, "crm", wide):
        (finding,) = grave(found("crm"))
    assert (finding.aspect, finding.level) == (Aspect.CREDENTIALS, Level.WARNING)
    assert finding.detail.endswith("holds more than it needs: crm.objects.deals.write, files")


@pytest.mark.parametrize("reply", [JSONResponse({"message": "no"}, 404), JSONResponse({"hub": 1}), JSONResponse([1])])
def test_hubspot_that_does_not_tell_scopes(alone, tmp_path, reply):
    with live(alone, tmp_path, "crm", lambda request: reply if request.url.path == TOKEN_INFO else None):
        report = found("crm")
    assert grave(report) == []
    assert the(report, Aspect.CREDENTIALS).level is Level.UNKNOWN


@pytest.mark.parametrize(
    ("left", "level"), [("649000", Level.OK), ("65000", Level.WARNING), ("0", Level.WARNING), ("lots", Level.UNKNOWN)]
)
def test_hubspots_daily_quota(alone, tmp_path, left, level):
    headers = {"X-HubSpot-RateLimit-Daily": "650000", "X-HubSpot-RateLimit-Daily-Remaining": left}

    def reply(request):
        return JSONResponse({"results": []}, headers=headers) if request.url.path == "/crm/v3/owners" else None

    with live(alone, tmp_path, "crm", reply):
        finding = the(found("crm"), Aspect.QUOTA)
    assert finding.level is level
    assert (left in finding.shown) == (level is not Level.UNKNOWN)


@pytest.mark.parametrize("source", ["backend", "chartmogul", "g2", "swan"])
def test_what_a_vendor_does_not_tell_is_said(alone, tmp_path, source):
    with live(alone, tmp_path, source):
        report = found(source)
    for aspect in (Aspect.QUOTA, Aspect.CREDENTIALS):
        assert the(report, aspect).level is Level.UNKNOWN
        assert the(report, aspect).detail


# --- CSV exports instead of HubSpot --------------------------------------------------------------------------------


def test_a_folder_of_csv_exports(alone, tmp_path):
    mapping = "kind: deals\nsource: pipedrive\n"
    alone(CRM_CSV_DIR=tmp_path)
    assert the(found("crm"), Aspect.REACHABLE).shown == "no CSV file"
    (tmp_path / "deals.csv").write_text("a,b\n")
    finding = the(found("crm"), Aspect.CONFIGURED)
    assert (finding.level, finding.shown) == (Level.PROBLEM, "mapping")
    assert "deals.mapping.yaml" in finding.detail
    (tmp_path / "deals.mapping.yaml").write_text(mapping + "nonsense: 1\n")
    assert the(found("crm"), Aspect.CONFIGURED).level is Level.PROBLEM


# --- Google --------------------------------------------------------------------------------------------------------


def test_googles_quota_and_time_zone(alone, tmp_path):
    def reply(_request):
        quota = {"tokensPerDay": {"consumed": 199_000, "remaining": 1_000}}
        return JSONResponse({"metadata": {"timeZone": "America/New_York"}, "propertyQuota": quota})

    with live(alone, tmp_path, "ga4", reply):
        report = found("ga4")
    assert the(report, Aspect.QUOTA).level is Level.WARNING
    assert "1000 tokens" in the(report, Aspect.QUOTA).shown
    finding = the(report, Aspect.CONFIGURED)
    assert (finding.level, "America/New_York" in finding.detail) == (Level.PROBLEM, True)


def test_a_persons_login_is_too_wide_and_a_missing_file_a_problem(alone, tmp_path):
    person = tmp_path / "person.json"
    person.write_text(json.dumps({"type": "authorized_user", "refresh_token": "r", "client_id": "i"}))
    with live(alone, tmp_path, "ga4", GOOGLE_APPLICATION_CREDENTIALS=person):
        assert the(found("ga4"), Aspect.CREDENTIALS).shown == "a person's"
    with live(alone, tmp_path, "ga4", GOOGLE_APPLICATION_CREDENTIALS=tmp_path / "gone.json"):
        report = found("ga4")
    assert the(report, Aspect.CONFIGURED).shown == "no key file"
    assert the(report, Aspect.PERMITTED).shown == "refused"


def test_ga4_files_route(alone, tmp_path):
    with live(alone, tmp_path, "ga4", GA4_EXPORT_DIR=""):
        finding = the(found("ga4"), Aspect.CONFIGURED)
    assert finding.detail == "GA4_PROPERTY_ID is set, but GA4_EXPORT_DIR is not: the source is off"
    with live(alone, tmp_path, "ga4", GA4_EXPORT_DIR=tmp_path / "gone"):
        finding = the(found("ga4"), Aspect.REACHABLE)
    assert (finding.level, finding.shown) == (Level.PROBLEM, "no export")
    (tmp_path / "empty").mkdir()
    with live(alone, tmp_path, "ga4", GA4_EXPORT_DIR=tmp_path / "empty"):
        assert the(found("ga4"), Aspect.REACHABLE).shown == "no shard"
