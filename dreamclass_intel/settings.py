"""Every environment variable, typed, in one place. `.env.example` explains each one.

A source without credentials runs against the sandbox; setting its variables switches that source alone to
live; `<SOURCE>_MODE` overrides. Secrets are `SecretStr`: they never print, and resources fetch them here at
run time so that no Dagster config, log or metadata ever holds one.
"""

import datetime as dt
import re
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSettings

PROJECT_DIR = Path(__file__).resolve().parent.parent


class SettingsError(ValueError):
    """The environment or `.env` is wrong; the message names each variable, one line each, without values."""


class Mode(StrEnum):
    """Where a source's data come from."""

    SANDBOX = "sandbox"
    LIVE = "live"
    OFF = "off"


def _time_zone(value: str) -> str:
    try:
        ZoneInfo(value)
    except (LookupError, ValueError, OSError):
        raise ValueError("must be a name of the IANA time zone list, such as Europe/Athens") from None
    return value


def _country(value: str) -> str:
    if value != DEFAULT_COUNTRY:
        import holidays  # takes a while, and most keep the default

        try:
            holidays.country_holidays(value)
        except NotImplementedError:
            raise ValueError("must be an ISO 3166 code with known public holidays, such as GR") from None
    return value


def _memory(value: str) -> str:
    if not re.fullmatch(r"0*[1-9]\d*(\.\d+)?\s*([KMGT]i?B|%)", value.strip(), re.IGNORECASE):
        raise ValueError("must be a number and KB, MB, GB, TB or %, such as 2GB")
    return value


def _address(value: str) -> str:
    try:
        parts = urlsplit(value.strip())
        whole = parts.scheme == "http" and parts.hostname and parts.port
    except ValueError:  # a port that is none
        whole = False
    if not whole or parts.path.strip("/") or parts.query or parts.fragment:
        raise ValueError("must be http://, a host and a port, such as http://127.0.0.1:8765")
    return f"http://{parts.netloc}"


TimeZone = Annotated[str, AfterValidator(_time_zone)]
DEFAULT_COUNTRY = "US"


def _config(prefix: str) -> SettingsConfigDict:
    return SettingsConfigDict(env_prefix=prefix, env_file=PROJECT_DIR / ".env", extra="ignore", env_ignore_empty=True)


def variable(kind: type[BaseSettings], field: str) -> str:
    """The environment variable that sets a field."""
    alias = kind.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return str(alias.choices[0])
    return f"{kind.model_config.get('env_prefix', '')}{field}".upper()


class SourceSettings(BaseSettings):
    """Common to every source. Subclasses name the fields that make it live in `needs`."""

    needs: ClassVar[tuple[str, ...]] = ()
    sandbox_path: ClassVar[str] = ""

    mode_override: Literal["auto", "sandbox", "live", "off"] = Field("auto", validation_alias="UNSET")
    timeout_s: float = Field(60, gt=0)

    def required(self) -> tuple[str, ...]:
        """The fields without which the source is not live."""
        return self.needs

    @property
    def mode(self) -> Mode:
        """The switch in force. `live` without its variables is a SettingsError naming them."""
        missing = [f for f in self.required() if not getattr(self, f)]
        prefix = self.model_config.get("env_prefix", "")
        if self.mode_override == "live" and missing:
            names = ", ".join(variable(type(self), f) for f in missing)
            raise SettingsError(f"{prefix}MODE=live needs {names}")
        if self.mode_override == "auto":
            return Mode.LIVE if self.asks_to_be_live else load_settings().fallback
        return Mode(self.mode_override)

    @property
    def asks_to_be_live(self) -> bool:
        """Switched to live, or left alone with all its variables there."""
        complete = all(getattr(self, f) for f in self.required())
        return self.mode_override == "live" or (self.mode_override == "auto" and complete)

    def url(self, live: str) -> str:
        """Base URL of the source: its sandbox stand-in, or `live`."""
        return f"{load_settings().sandbox_url}{self.sandbox_path}" if self.mode is Mode.SANDBOX else live

    def secret(self, name: str) -> str:
        """Plain secret for a client; the sandbox takes one fixed, worthless key."""
        if self.mode is Mode.SANDBOX:
            return SANDBOX_KEY
        value = getattr(self, name)
        return value.get_secret_value() if value else ""


SANDBOX_KEY = "sk_test_sandbox"  # opens nothing but the stand-ins on loopback


def _mode(prefix: str) -> Any:
    return Field("auto", validation_alias=AliasChoices(f"{prefix}MODE"))


class Ga4Settings(SourceSettings):
    """GA4: BigQuery export read as shard files or from BigQuery, plus the Data API."""

    model_config = _config("GA4_")
    needs = ("property_id", "export_dir")
    sandbox_path = "/ga4"
    mode_override: Literal["auto", "sandbox", "live", "off"] = _mode("GA4_")
    route: Literal["files", "bigquery"] = "files"
    property_id: str | None = None
    export_dir: str | None = None
    bigquery_project: str | None = None
    api_endpoint: str = "https://analyticsdata.googleapis.com"
    time_zone: TimeZone = "Europe/Athens"
    sandbox_property: ClassVar[str] = "100200300"

    def required(self) -> tuple[str, ...]:
        """The Data API and the data set's name need the property's number, the route of files its folder."""
        return ("property_id",) if self.route == "bigquery" else self.needs

    @property
    def property_number(self) -> str:
        """The property's number in the Data API and in the name of the BigQuery data set."""
        return self.sandbox_property if self.mode is Mode.SANDBOX else self.property_id or ""


class BackendSettings(SourceSettings):
    """DreamClass backend events (contract dreamclass-events/1)."""

    model_config = _config("BACKEND_")
    needs = ("base_url", "token")
    sandbox_path = "/backend"
    mode_override: Literal["auto", "sandbox", "live", "off"] = _mode("BACKEND_")
    base_url: str | None = None
    token: SecretStr | None = None


class StripeSettings(SourceSettings):
    """Stripe, restricted read-only key."""

    model_config = _config("STRIPE_")
    needs = ("api_key",)
    sandbox_path = "/stripe"
    mode_override: Literal["auto", "sandbox", "live", "off"] = _mode("STRIPE_")
    api_key: SecretStr | None = None
    api_base: str = "https://api.stripe.com"


class ChartMogulSettings(SourceSettings):
    """ChartMogul, read-only API key."""

    model_config = _config("CHARTMOGUL_")
    needs = ("api_key",)
    sandbox_path = "/chartmogul/v1"
    mode_override: Literal["auto", "sandbox", "live", "off"] = _mode("CHARTMOGUL_")
    api_key: SecretStr | None = None
    api_base: str = "https://api.chartmogul.com/v1"


class CrmSettings(SourceSettings):
    """CRM: HubSpot private-app token, or a folder of CSV exports (CRM_CSV_DIR switches to it)."""

    model_config = _config("CRM_")
    needs = ("hubspot_token",)
    sandbox_path = "/hubspot"
    mode_override: Literal["auto", "sandbox", "live", "off"] = _mode("CRM_")
    hubspot_token: SecretStr | None = None
    api_base: str = "https://api.hubapi.com"
    csv_dir: Path | None = None

    @property
    def mode(self) -> Mode:
        """As usual, but a CSV folder alone also makes the source live."""
        if self.mode_override in ("auto", "live") and self.csv_dir:
            return Mode.LIVE
        return super().mode


class LeadScoringSettings(SourceSettings):
    """Lead scoring in Supabase."""

    model_config = _config("SUPABASE_")
    needs = ("base_url", "key")
    sandbox_path = "/supabase"
    mode_override: Literal["auto", "sandbox", "live", "off"] = _mode("SUPABASE_")
    base_url: str | None = Field(None, validation_alias=AliasChoices("SUPABASE_URL"))
    key: SecretStr | None = None
    page_size: int = Field(1000, ge=1)


class SwanSettings(SourceSettings):
    """SwanAI visitor feed (our documented contract)."""

    model_config = _config("SWAN_")
    needs = ("base_url", "api_key")
    sandbox_path = "/swan"
    mode_override: Literal["auto", "sandbox", "live", "off"] = _mode("SWAN_")
    base_url: str | None = None
    api_key: SecretStr | None = None


class G2Settings(SourceSettings):
    """G2 buyer intent v2."""

    model_config = _config("G2_")
    needs = ("api_token", "product_id")
    sandbox_path = "/g2"
    mode_override: Literal["auto", "sandbox", "live", "off"] = _mode("G2_")
    api_token: SecretStr | None = None
    product_id: str | None = None
    api_base: str = "https://data.g2.com"


class BigQuerySettings(BaseSettings):
    """The BigQuery warehouse; in force when WAREHOUSE=bigquery."""

    model_config = _config("BIGQUERY_") | SettingsConfigDict(frozen=True)

    project: str | None = Field(None, pattern=r"^[a-z0-9.:-]+$")
    dataset_prefix: str = Field("", pattern=r"^[A-Za-z0-9_]*$")
    location: str = "EU"
    keyfile: Path | None = None
    api_endpoint: str | None = None
    storage_api: bool = False
    maximum_gib_billed: float = Field(100, ge=0)
    usd_per_tib: float = Field(6.25, ge=0)
    retry_s: float = Field(120, ge=0)
    timeout_s: float = Field(1800, gt=0)


class Settings(BaseSettings):
    """The whole suite's settings; one nested object per source and one for BigQuery."""

    model_config = _config("")

    warehouse: Literal["duckdb", "bigquery"] = "duckdb"
    state_dir: Path = PROJECT_DIR / ".state"
    duckdb_path: Path | None = None
    duckdb_memory_limit: Annotated[str, AfterValidator(_memory)] = "2GB"
    start_date: dt.date = dt.date(2024, 1, 1)
    reporting_time_zone: TimeZone = "Europe/Athens"
    reporting_country: Annotated[str, AfterValidator(_country)] = DEFAULT_COUNTRY
    without_credentials: Literal["sandbox", "off"] | None = None
    sandbox_url: Annotated[str, AfterValidator(_address)] = "http://127.0.0.1:8765"
    sandbox_scale: float = Field(0.2, gt=0)
    sandbox_seed: int = 7
    webserver_port: int = Field(3000, ge=1, le=65535)
    alert_urls: SecretStr | None = None  # Apprise URLs, comma-separated; each may hold a token
    pii_key: SecretStr = SecretStr("sandbox-only-key")

    bigquery: BigQuerySettings = Field(default_factory=BigQuerySettings)
    ga4: Ga4Settings = Field(default_factory=Ga4Settings)
    backend: BackendSettings = Field(default_factory=BackendSettings)
    stripe: StripeSettings = Field(default_factory=StripeSettings)
    chartmogul: ChartMogulSettings = Field(default_factory=ChartMogulSettings)
    crm: CrmSettings = Field(default_factory=CrmSettings)
    lead_scoring: LeadScoringSettings = Field(default_factory=LeadScoringSettings)
    swan: SwanSettings = Field(default_factory=SwanSettings)
    g2: G2Settings = Field(default_factory=G2Settings)

    @field_validator("start_date")
    @classmethod
    def _monday(cls, value: dt.date) -> dt.date:
        # Weeks and scoring windows then share their edges.
        if value.weekday():
            raise ValueError("START_DATE must be a Monday")
        return value

    @property
    def database(self) -> Path:
        """DuckDB file."""
        return self.duckdb_path or self.state_dir / "warehouse.duckdb"

    @property
    def sandbox_port(self) -> int:
        """Port of the sandbox's address."""
        port = urlsplit(self.sandbox_url).port
        assert port is not None  # _address saw to it
        return port

    def source(self, name: str) -> SourceSettings:
        """Settings of one source by its folder's name."""
        found = getattr(self, name)
        assert isinstance(found, SourceSettings), name
        return found

    @property
    def fallback(self) -> Mode:
        """What a source without credentials is: in the sandbox, or off as soon as any other is live."""
        if self.without_credentials:
            return Mode(self.without_credentials)
        return Mode.OFF if any(self.source(name).asks_to_be_live for name in SOURCES) else Mode.SANDBOX

    @property
    def uses_sandbox(self) -> bool:
        """Whether any source is on the sandbox, whose clock then is the pipeline's."""
        return any(self.source(name).mode is Mode.SANDBOX for name in SOURCES)

    def check(self) -> None:
        """Raise SettingsError for what pydantic cannot see: live without variables, live data under the sandbox's
        public hashing key, live and simulated data together, a warehouse that is not whole."""
        if self.warehouse == "bigquery" and not self.bigquery.project:
            raise SettingsError("WAREHOUSE=bigquery needs BIGQUERY_PROJECT")
        by_mode = {mode: [name for name in SOURCES if self.source(name).mode is mode] for mode in Mode}
        live, simulated = by_mode[Mode.LIVE], by_mode[Mode.SANDBOX]
        if live and self.pii_key.get_secret_value() == "sandbox-only-key":
            raise SettingsError("PII_KEY must be set before any source is live (any long random text)")
        if live and simulated:
            raise SettingsError(
                f"{', '.join(live)} live beside {', '.join(simulated)} in the sandbox: real and simulated schools, "
                "and two clocks, in one warehouse. Leave WITHOUT_CREDENTIALS and <SOURCE>_MODE=sandbox out"
            )
        world = "live" if live else "sandbox" if simulated else None
        if world and self.world_file.exists() and (before := self.world_file.read_text().strip()) != world:
            raise SettingsError(
                f"STATE_DIR {self.state_dir} holds {before} data, the sources are {world} now: give them another "
                "STATE_DIR (and DUCKDB_PATH), or start anew with make clean"
            )

    @property
    def world_file(self) -> Path:
        """Says whether the state was filled from the sandbox or from live sources."""
        return self.state_dir / "world"


SOURCES = ("ga4", "backend", "stripe", "chartmogul", "crm", "lead_scoring", "swan", "g2")


@cache
def load_settings() -> Settings:
    """Settings of this process, read once. Raises SettingsError with one line per wrong variable."""
    try:
        return Settings()
    except UnicodeDecodeError:
        raise SettingsError(f"{Settings.model_config.get('env_file')}: is not UTF-8 text") from None
    except (ValidationError, UnreadableSettings):
        kinds: tuple[type[BaseSettings], ...] = (*SourceSettings.__subclasses__(), BigQuerySettings, Settings)
        raise SettingsError("\n".join(line for kind in kinds for line in _wrong(kind))) from None


def _wrong(kind: type[BaseSettings]) -> list[str]:
    # Nested ones are read by themselves: the first wrong one must not hide the others.
    unread: dict[str, Any] = {name: _unread(name) for name in (*SOURCES, "bigquery")} if kind is Settings else {}
    try:
        kind(**unread)
    except ValidationError as error:
        return [
            f"{variable(kind, name) if (name := str(e['loc'][0])) in kind.model_fields else name}: "
            + e["msg"].removeprefix("Value error, ")
            for e in error.errors()
        ]
    except UnreadableSettings as error:
        return [str(error)]
    return []


def _unread(name: str) -> BaseSettings:
    kind: Any = Settings.model_fields[name].annotation
    found: BaseSettings = kind.model_construct()
    return found
