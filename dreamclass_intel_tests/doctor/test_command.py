"""The command itself: its output, its exit codes, its time, and that no secret ever gets out."""

import base64
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from starlette.responses import JSONResponse
from typer.testing import CliRunner

from dreamclass_intel.cli import app
from dreamclass_intel.settings import PROJECT_DIR, SOURCES, Settings, variable
from dreamclass_intel_tests.doctor.test_sources import silent  # noqa: F401
from dreamclass_intel_tests.doctor.vendors import BODIES, KEYS, live, variables

CANARY = "canary-4242424242"


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["doctor", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit)
    return result.exit_code, result.output


def process(*arguments: str, **variables: object) -> tuple[int, str, float]:
    """A process of its own: what its user sees on both streams, and how long it takes."""
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "dreamclass_intel.cli", *arguments],
        cwd=PROJECT_DIR,
        env={**os.environ, **{k: str(v) for k, v in variables.items()}},
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr, time.monotonic() - started


# --- what it says --------------------------------------------------------------------------------------------------


def test_all_is_well_in_the_sandbox(sandbox):
    code, text = run()
    assert code == 0
    assert text.splitlines()[-1] == "no problems, no warnings"
    rows = {line.split()[0]: line for line in text.splitlines()[1:] if line.strip()}
    assert set(SOURCES) | {"settings", "warehouse"} <= set(rows)
    assert all("sandbox" in rows[source] for source in SOURCES)
    assert "✗" not in text
    assert "!" not in text


def test_json_holds_every_finding(sandbox):
    code, text = run("--json")
    body = json.loads(text)
    assert (code, body["exit_code"], body["problems"], body["warnings"]) == (0, 0, 0, 0)
    subjects = {s["subject"]: s for s in body["subjects"]}
    assert set(subjects) == {*SOURCES, "settings", "warehouse"}
    stripe = subjects["stripe"]
    assert stripe["mode"] == "sandbox"
    assert stripe["variables"] == {"set": [], "missing": ["STRIPE_API_KEY"]}
    assert {"configured", "reachable", "permitted", "clock"} <= {f["aspect"] for f in stripe["findings"]}


@pytest.mark.parametrize(
    ("key", "status", "lax", "strict"),
    [("rk_live_4242424242", 200, 0, 0), ("sk_live_4242424242", 200, 0, 1), ("rk_live_4242424242", 401, 1, 1)],
)
def test_exit_codes(alone, tmp_path, key, status, lax, strict):
    def reply(_request):
        return None if status == 200 else JSONResponse({"error": {"message": "no"}}, status)

    with live(alone, tmp_path, "stripe", reply, STRIPE_API_KEY=key):
        assert run()[0] == run("--json")[0] == lax
        code, text = run("--json", "--strict")
    assert code == json.loads(text)["exit_code"] == strict


def test_a_wrong_option_is_code_two(alone):
    assert run("--nonsense")[0] == 2


def test_problems_are_sentences_below_the_table(alone, tmp_path):
    with live(alone, tmp_path, "stripe", STRIPE_API_KEY="sk_live_4242424242"):
        code, text = run()
    assert code == 0
    assert "warning  stripe, credentials: STRIPE_API_KEY is a secret key, which may do anything" in text
    assert "! full access" in text
    assert text.splitlines()[-1] == "no problems, 1 warning"


def test_wrong_settings_are_named_one_a_line(alone):
    alone(STRIPE_MODE="sideways", GA4_TIMEOUT_S="-1")
    code, text = run()
    assert code == 1
    for name in ("STRIPE_MODE", "GA4_TIMEOUT_S"):
        assert f"PROBLEM  settings, configured: {name}:" in text
    assert "sideways" not in text


def test_live_without_a_hashing_key(alone, tmp_path):
    with live(alone, tmp_path, "swan", PII_KEY=""):
        code, text = run()
    assert code == 1
    assert "PROBLEM  settings, configured: PII_KEY must be set" in text


def test_a_mix_of_live_and_sandbox_is_pointed_out(sandbox, settings_env, tmp_path):
    settings_env(PII_KEY="a-long-random-text", WITHOUT_CREDENTIALS="sandbox")
    with live(settings_env, tmp_path, "swan"):
        code, text = run()
    assert code == 1
    assert "PROBLEM  settings, configured: swan live beside ga4, backend" in text


def test_a_vendors_control_characters_do_not_reach_the_terminal(alone, tmp_path):
    def reply(_request):
        return JSONResponse({"message": "\x1b[2J\x1b]0;owned\x07"}, 401)

    with live(alone, tmp_path, "swan", reply):
        _, text = run()
    assert "owned" in text
    assert "\x1b" not in text
    assert "\x07" not in text


def test_a_warehouse_without_a_probe_is_said_not_to_be_examined(alone, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    _, text = run()
    assert "note     warehouse, reachable: there is no probe for WAREHOUSE=duckdb" in text


# --- what it never says --------------------------------------------------------------------------------------------


def _planted() -> dict[str, str]:
    """Every secret variable with a secret of its own."""
    kinds = [Settings, *(Settings.model_fields[name].annotation for name in SOURCES)]
    return {
        variable(kind, field): f"{CANARY}-{kind.__name__}-{field}"
        for kind in kinds
        for field in kind.model_fields
        if "SecretStr" in str(kind.model_fields[field].annotation)
    }


def _echo(status: int) -> Callable:
    """A vendor that hands back all it was sent, in every place where an error's words are looked for."""

    def reply(request):
        said = "; ".join(f"{k}={v}" for k, v in request.headers.items()) + f"; {request.url}"
        basic = request.headers.get("authorization", "").removeprefix("Basic ")
        if not basic.startswith("Bearer"):
            said += base64.b64decode(basic + "==").decode(errors="replace")
        error = {"message": said, "code": said[:200], "type": "api_error"}
        return JSONResponse({"error": error, "message": said, "code": said, "data": said, "entries": said}, status)

    return reply


@pytest.mark.parametrize("status", [200, 401, 403, 404, 429, 500])
@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_secret_is_printed(alone, tmp_path, status, form):
    planted = _planted()
    planted["ALERT_URLS"] = f"slack://{CANARY}-a/{CANARY}-b,json://user:{CANARY}-c@host/path"
    assert len(planted) >= 9
    with ExitStack() as stack:
        for source in SOURCES:
            stack.enter_context(live(alone, tmp_path, source, _echo(status)))
        port = os.environ["BACKEND_BASE_URL"].rsplit(":", 1)[1]
        planted["BACKEND_BASE_URL"] = f"http://user:{CANARY}-password@127.0.0.1:{port}"
        private = json.loads((tmp_path / "google.json").read_text())["private_key"]
        code, text, _ = process("doctor", *form, **planted)
        assert "SWAN_API_KEY" in text or status in (200, 429, 500, 404)
    assert code == 1
    assert CANARY not in text
    assert base64.b64encode(CANARY.encode()).decode().rstrip("=")[:16] not in text
    assert private.splitlines()[1] not in text
    assert "Traceback" not in text


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_no_secret_is_printed_when_settings_are_wrong(alone, form):
    alone(**{**_planted(), "START_DATE": f"{CANARY}-date", "STRIPE_MODE": f"{CANARY}-mode"})
    code, text = run(*form)
    assert code == 1
    assert CANARY not in text


def test_an_unexpected_error_is_named_without_its_words(alone, tmp_path):
    """A body of the wrong shape ends in an exception whose text is the body."""

    def reply(_request):
        return JSONResponse({"data": [{CANARY: 1}], "next_cursor": None, "has_more": False})

    with live(alone, tmp_path, "backend", reply):
        code, text = run()
    assert code == 1
    assert "backend, reachable: the probe failed (KeyError)" in text
    assert CANARY not in text


# --- how long it takes ---------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_everything_hangs_and_it_ends_all_the_same(alone, tmp_path, silent):  # noqa: F811
    for source in SOURCES:
        alone(**variables(source, silent, tmp_path))
    code, text, took = process("doctor", "--json")
    assert code == 1
    assert took < 15
    subjects = {s["subject"]: s for s in json.loads(text)["subjects"]}
    for source in SOURCES:
        assert any(f["aspect"] == "reachable" and f["level"] == "problem" for f in subjects[source]["findings"])
        assert KEYS[source] not in text
    assert set(BODIES) == set(SOURCES)


def test_the_command_line_loads_nothing_heavy():
    heavy = ("dagster", "duckdb", "requests", "stripe", "supabase", "google.auth", "pydantic", "pyarrow")
    code = f"import sys, dreamclass_intel.cli; print([m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(PROJECT_DIR), capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
