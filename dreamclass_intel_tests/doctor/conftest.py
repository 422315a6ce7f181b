"""Settings of the doctor's tests: nothing is configured and nothing is on the sandbox, unless a test says so."""

from collections.abc import Callable

import google.auth.credentials
import pytest

from dreamclass_intel.doctor.examine import examine
from dreamclass_intel.doctor.report import Aspect, Finding, Level, Report
from dreamclass_intel.settings import SOURCES, BigQuerySettings, Settings, variable


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """google-auth also asks googleapis.com where a service account may be used from, in a thread of its own."""
    kind = google.auth.credentials.CredentialsWithRegionalAccessBoundary
    monkeypatch.setattr(kind, "_is_regional_access_boundary_lookup_required", lambda _self: False)


@pytest.fixture
def alone(settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Like `settings_env`, from an empty environment in which what has no credentials is off."""
    for kind in (Settings, BigQuerySettings, *(Settings.model_fields[name].annotation for name in SOURCES)):
        monkeypatch.setitem(kind.model_config, "env_file", None)
        for field in kind.model_fields:
            if field != "state_dir":
                monkeypatch.delenv(variable(kind, field), raising=False)
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "BIGQUERY_EMULATOR_HOST"):
        monkeypatch.delenv(name, raising=False)
    settings_env(WITHOUT_CREDENTIALS="off", PII_KEY="a-long-random-text")
    return settings_env


def found(subject: str) -> Report:
    """What the doctor says of one subject."""
    return next(report for report in examine() if report.subject == subject)


def grave(report: Report) -> list[Finding]:
    """Its problems and warnings."""
    return [finding for finding in report.findings if finding.level in (Level.PROBLEM, Level.WARNING)]


def the(report: Report, aspect: Aspect) -> Finding:
    """Its gravest finding of an aspect, which must be there."""
    finding = report.worst(aspect)
    assert finding is not None, report
    return finding
