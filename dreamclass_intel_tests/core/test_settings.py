"""The environment: what switches a source to live, what is refused, and that no value shows."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dreamclass_intel.cli import app
from dreamclass_intel.settings import (
    PROJECT_DIR,
    SANDBOX_KEY,
    SOURCES,
    BigQuerySettings,
    CrmSettings,
    Mode,
    Settings,
    SettingsError,
    SourceSettings,
    load_settings,
    variable,
)

CANARY = "canary-4242424242"
KINDS: dict[str, type[SourceSettings]] = {name: Settings.model_fields[name].annotation for name in SOURCES}
OWN = [(Settings, f) for f in Settings.model_fields if f not in (*SOURCES, "bigquery")]
FIELDS = OWN + [(kind, f) for kind in (BigQuerySettings, *KINDS.values()) for f in kind.model_fields]
VARIABLES = [variable(kind, field) for kind, field in FIELDS]


@pytest.fixture
def env(settings_env: Callable[..., None], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Settings]:
    """Settings under these variables alone: no `.env`, nothing from the machine, nor from an earlier `make run`."""
    for kind in (Settings, BigQuerySettings, *KINDS.values()):
        monkeypatch.setitem(kind.model_config, "env_file", None)
    for name in (*VARIABLES, "BIGQUERY", *(s.upper() for s in SOURCES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STATE_DIR", str(tmp_path / "state"))

    def use(**variables: object) -> Settings:
        settings_env(**variables)
        return load_settings()

    return use


def credentials(name: str) -> dict[str, str]:
    kind = KINDS[name]
    return {variable(kind, field): f"{CANARY}-{field}" for field in kind.needs}


def test_without_anything_all_is_sandbox(env, monkeypatch):
    monkeypatch.delenv("STATE_DIR")
    settings = env()
    assert {name: settings.source(name).mode for name in SOURCES} == dict.fromkeys(SOURCES, Mode.SANDBOX)
    assert settings.uses_sandbox
    settings.check()
    assert settings.database == PROJECT_DIR / ".state" / "warehouse.duckdb"
    assert settings.start_date.weekday() == 0
    for name in SOURCES:
        source = settings.source(name)
        assert source.url("https://live.example") == f"http://127.0.0.1:8765{source.sandbox_path}"
        assert source.secret("anything") == SANDBOX_KEY


@pytest.mark.parametrize("name", SOURCES)
def test_credentials_switch_that_source_alone(env, name):
    settings = env(**credentials(name), PII_KEY="x" * 40)
    modes = {n: settings.source(n).mode for n in SOURCES}
    assert modes == {n: Mode.LIVE if n == name else Mode.OFF for n in SOURCES}
    assert settings.source(name).url("https://live.example") == "https://live.example"
    settings.check()
    assert env(**{variable(KINDS[name], "mode_override"): "sandbox"}).source(name).mode is Mode.SANDBOX
    assert env(**{variable(KINDS[name], "mode_override"): "off"}).source(name).mode is Mode.OFF


@pytest.mark.parametrize("name", SOURCES)
def test_half_of_the_credentials_switch_nothing(env, name):
    given = credentials(name)
    for left_out in given:
        settings = env(**{k: "" if k == left_out else v for k, v in given.items()})
        assert settings.source(name).mode is Mode.SANDBOX


@pytest.mark.parametrize("name", SOURCES)
def test_live_without_its_variables_names_them(env, name):
    mode = variable(KINDS[name], "mode_override")
    settings = env(**{mode: "live"})
    for ask in (lambda: settings.source(name).mode, settings.check):
        with pytest.raises(SettingsError) as caught:
            ask()
        assert str(caught.value) == f"{mode}=live needs {', '.join(credentials(name))}"


def test_ga4_is_live_with_what_its_route_needs(env, tmp_path):
    assert env(GA4_PROPERTY_ID="1").ga4.mode is Mode.SANDBOX
    assert env(GA4_ROUTE="bigquery").ga4.mode is Mode.LIVE
    for given, missing in (
        ({"GA4_PROPERTY_ID": ""}, "GA4_PROPERTY_ID"),
        ({"GA4_ROUTE": "files"}, "GA4_PROPERTY_ID, GA4_EXPORT_DIR"),
        ({"GA4_EXPORT_DIR": tmp_path}, "GA4_PROPERTY_ID"),
    ):
        settings = env(**given, GA4_MODE="live")
        with pytest.raises(SettingsError, match=rf"^GA4_MODE=live needs {missing}$"):
            settings.check()
    assert env(GA4_PROPERTY_ID="1").ga4.mode is Mode.LIVE


def test_a_csv_folder_makes_the_crm_live(env, tmp_path):
    assert env(CRM_CSV_DIR=tmp_path).crm.mode is Mode.LIVE
    assert env(CRM_MODE="live").crm.mode is Mode.LIVE
    assert env(CRM_MODE="sandbox").crm.mode is Mode.SANDBOX
    assert env(CRM_MODE="off").crm.mode is Mode.OFF
    assert isinstance(env().crm, CrmSettings)


def test_without_credentials_off_turns_all_off(env):
    settings = env(WITHOUT_CREDENTIALS="off")
    assert {settings.source(name).mode for name in SOURCES} == {Mode.OFF}
    assert not settings.uses_sandbox
    settings = env(**credentials("stripe"), G2_MODE="sandbox")
    assert settings.stripe.mode is Mode.LIVE
    assert settings.g2.mode is Mode.SANDBOX
    assert settings.swan.mode is Mode.OFF


WRONG = {
    "WAREHOUSE": CANARY,
    "START_DATE": "2024-01-02",
    "SANDBOX_SCALE": "-424242",
    "WEBSERVER_PORT": CANARY,
    "SUPABASE_PAGE_SIZE": CANARY,
    "DUCKDB_MEMORY_LIMIT": CANARY,
    "REPORTING_TIME_ZONE": f"Europe/{CANARY}",
    "REPORTING_COUNTRY": "X424242",
    "SANDBOX_URL": f"http://{CANARY}",
    "STRIPE_MODE": CANARY,
    "STRIPE_TIMEOUT_S": "-424242",
    "GA4_ROUTE": CANARY,
    "BIGQUERY_MAXIMUM_GIB_BILLED": CANARY,
    "BIGQUERY_DATASET_PREFIX": "raw`; DROP",
    "GA4_TIME_ZONE": CANARY,
}


def test_wrong_values_are_all_named_one_a_line_and_not_shown(env):
    with pytest.raises(SettingsError) as caught:
        env(**WRONG)
    lines = str(caught.value).splitlines()
    assert sorted(line.split(":")[0] for line in lines) == sorted(WRONG)
    assert caught.value.__suppress_context__
    assert CANARY not in str(caught.value)
    assert "424242" not in str(caught.value)
    assert "START_DATE must be a Monday" in str(caught.value)


@pytest.mark.parametrize("name", WRONG)
def test_each_wrong_value_is_named_alone(env, name):
    with pytest.raises(SettingsError, match=rf"^{name}: [^\n]+$"):
        env(**{name: WRONG[name]})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("WEBSERVER_PORT", "99999"),
        ("WEBSERVER_PORT", "0"),
        ("DUCKDB_MEMORY_LIMIT", "lots"),
        ("DUCKDB_MEMORY_LIMIT", "2"),
        ("DUCKDB_MEMORY_LIMIT", "0GB"),
        ("REPORTING_TIME_ZONE", "Europe/Athen"),
        ("REPORTING_TIME_ZONE", "Europe"),
        ("REPORTING_TIME_ZONE", "../Athens"),
        ("GA4_TIME_ZONE", "Europe/Athen"),
        ("REPORTING_COUNTRY", "XX"),
        ("SANDBOX_URL", "http://127.0.0.1"),
        ("SANDBOX_URL", "http://127.0.0.1:99999"),
        ("SANDBOX_URL", "http://127.0.0.1:x"),
        ("SANDBOX_URL", "127.0.0.1:8765"),
        ("SANDBOX_URL", "http://127.0.0.1:8765/path"),
    ],
)
def test_what_would_fail_later_is_refused_at_once(env, name, value):
    with pytest.raises(SettingsError, match=rf"^{name}: [^\n]+$") as caught:
        env(**{name: value})
    assert "such as" in str(caught.value) or name == "WEBSERVER_PORT"


@pytest.mark.parametrize("command", ["up", "update", "sandbox", "advance", "generate"])
@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"SANDBOX_URL": "http://127.0.0.1"}, "SANDBOX_URL: must be http://, a host and a port, such as "),
        ({"G2_MODE": "live"}, "G2_MODE=live needs G2_API_TOKEN, G2_PRODUCT_ID"),
    ],
)
def test_commands_say_it_in_one_line(settings_env, command, given, said):
    settings_env(**given)
    done = CliRunner().invoke(app, [command])
    assert done.exit_code == 1
    assert done.stderr.startswith(f"dreamclass-intel: {said}") and done.stderr.count("\n") == 1


def test_spellings_that_mean_the_same(env):
    settings = env(SANDBOX_URL="http://127.0.0.1:8765/", DUCKDB_MEMORY_LIMIT="1.5 gib", REPORTING_COUNTRY="GR")
    assert (settings.sandbox_url, settings.sandbox_port) == ("http://127.0.0.1:8765", 8765)
    assert (settings.duckdb_memory_limit, settings.reporting_country) == ("1.5 gib", "GR")
    assert env(DUCKDB_MEMORY_LIMIT="80%").duckdb_memory_limit == "80%"


def test_an_env_file_in_another_encoding_is_named(env, monkeypatch, tmp_path):
    file = tmp_path / ".env"
    file.write_bytes(f"PII_KEY={CANARY}ü\n".encode("latin-1"))
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    with pytest.raises(SettingsError) as caught:
        env()
    assert str(caught.value) == f"{file}: is not UTF-8 text"


def test_a_variable_named_like_a_source_is_refused_in_words(env):
    with pytest.raises(SettingsError, match='field "crm"') as caught:
        env(CRM=CANARY)
    assert CANARY not in str(caught.value)


def test_no_secret_is_printed(env):
    secrets = {}
    for kind, field in FIELDS:
        if "SecretStr" in str(kind.model_fields[field].annotation):
            secrets[variable(kind, field)] = f"{CANARY}-{field}"
    assert len(secrets) >= 9
    settings = env(**secrets)
    shown = repr(settings) + str(settings) + settings.model_dump_json() + repr(settings.model_dump())
    assert CANARY not in shown
    assert settings.stripe.secret("api_key") == f"{CANARY}-api_key"
    assert settings.stripe.secret("api_key") not in repr(settings.stripe)


def test_live_data_need_a_key_of_ones_own(env):
    settings = env(**credentials("swan"))
    with pytest.raises(SettingsError, match="PII_KEY must be set before any source is live"):
        settings.check()
    env(PII_KEY="sandbox-only-key")
    with pytest.raises(SettingsError, match="PII_KEY"):
        load_settings().check()
    env(PII_KEY=CANARY).check()


def test_bigquery_needs_a_project(env):
    with pytest.raises(SettingsError, match="WAREHOUSE=bigquery needs BIGQUERY_PROJECT"):
        env(WAREHOUSE="bigquery").check()
    env(BIGQUERY_PROJECT="school-1").check()


def test_the_example_names_every_variable_and_nothing_else():
    text = (PROJECT_DIR / ".env.example").read_text(encoding="utf-8")
    named = re.findall(r"^# ?([A-Z][A-Z0-9_]+)=", text, re.MULTILINE)
    assert sorted(named) == sorted(VARIABLES)
    assert not [line for line in text.splitlines() if line and not line.startswith("#")], "an example sets nothing"


def test_every_document_named_exists():
    pages = [PROJECT_DIR / "README.md", PROJECT_DIR / ".env.example", *(PROJECT_DIR / "docs").rglob("*.md")]
    named = {(page.name, path) for page in pages for path in re.findall(r"\bdocs/[\w./-]*\w", page.read_text("utf-8"))}
    assert len(named) > 8
    assert [(page, path) for page, path in sorted(named) if not (PROJECT_DIR / path).exists()] == []


def test_the_examples_values_are_the_defaults(env):
    text = (PROJECT_DIR / ".env.example").read_text(encoding="utf-8")
    shown = dict(re.findall(r"^# ?([A-Z][A-Z0-9_]+)=(\S+)", text, re.MULTILINE))
    default = env(STATE_DIR="")
    # Paths are shown as people write them, from the project's folder.
    given = env(**{k: PROJECT_DIR / v if v.startswith(".state") else v for k, v in shown.items()})
    assert given.model_dump(exclude={"duckdb_path"}) == default.model_dump(exclude={"duckdb_path"})
    assert Path(given.database) == default.database
    assert len(shown) > 25


@pytest.mark.parametrize(("kind", "field"), FIELDS, ids=VARIABLES)
def test_every_variable_reaches_its_field(env, kind, field):
    default = kind.model_fields[field].default
    value = {
        "warehouse": "bigquery",
        "start_date": "2024-01-08",
        "without_credentials": "off",
        "mode_override": "off",
        "route": "bigquery",
        "timeout_s": "7",
        "webserver_port": "7",
        "sandbox_scale": "7",
        "sandbox_seed": "8",
        "page_size": "7",
        "dataset_prefix": "canary_",
        "storage_api": "True",
        "maximum_gib_billed": "7",
        "usd_per_tib": "7",
        "retry_s": "7",
        "duckdb_memory_limit": "7GB",
        "reporting_time_zone": "Europe/Sofia",
        "time_zone": "Europe/Sofia",
        "reporting_country": "GR",
        "sandbox_url": "http://127.0.0.1:7",
    }.get(field, CANARY)
    settings = env(**{variable(kind, field): value})
    nested = (settings.bigquery, *map(settings.source, SOURCES))
    owner = settings if kind is Settings else next(n for n in nested if type(n) is kind)
    found = getattr(owner, field)
    assert found != default
    plain = found.get_secret_value() if hasattr(found, "get_secret_value") else found
    assert str(plain) in (value, f"{value}.0")


def test_real_and_simulated_sources_never_share_a_state(env, tmp_path):
    settings = env(PII_KEY=CANARY, STATE_DIR=tmp_path, **credentials("swan"))
    assert {settings.source(name).mode for name in SOURCES if name != "swan"} == {Mode.OFF}
    settings.check()
    with pytest.raises(SettingsError, match="swan live beside g2 in the sandbox"):
        env(G2_MODE="sandbox").check()
    (tmp_path / "world").write_text("sandbox")
    with pytest.raises(SettingsError, match="holds sandbox data, the sources are live now"):
        env(G2_MODE="off").check()
    (tmp_path / "world").write_text("live")
    load_settings().check()
