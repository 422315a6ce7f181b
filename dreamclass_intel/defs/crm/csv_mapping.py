"""The mapping that explains one CSV export: which of their columns is which of ours, and how values are written.

Parsed from YAML and checked against the target table here; reading files is in `csv_files.py`.
"""

import datetime as dt
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from dreamclass_intel.contracts import Table
from dreamclass_intel.defs.crm import tables
from dreamclass_intel.http import SourceError

BUILT_IN = Path(__file__).parent / "mappings"
KINDS: dict[str, Table] = {
    "leads": tables.LEADS,
    "deals": tables.DEALS,
    "companies": tables.COMPANIES,
    "contacts": tables.CONTACTS,
    "stage_history": tables.STAGE_HISTORY,
}
# Targets that are no columns: personal data on their way to a hash, and the columns they fill.
PERSONAL_TARGETS = {"email": ("email_hash", "email_domain"), "owner_name": ("owner_id",)}
MOMENTS = ("updated_at", "created_at", "closed_at", "converted_at", "changed_at")  # what can date a row


class MappingError(SourceError):
    """A mapping, or the file it is for, does not fit; names the file and the entry."""

    def __init__(self, problem: str) -> None:
        RuntimeError.__init__(self, problem)
        self.source, self.endpoint, self.status, self.wait_s = "crm", "csv", None, None

    @property
    def permanent(self) -> bool:
        """Reading the same file again is no use."""
        return True


class Join(BaseModel):
    """Several of their columns that together make one value, e.g. an id."""

    model_config = ConfigDict(extra="forbid")

    join: list[str] = Field(min_length=2)
    separator: str = "/"


class Mapping(BaseModel):
    """One mapping file. Their column names are matched without regard to case and surrounding blanks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["leads", "deals", "companies", "contacts", "stage_history"]
    source: str = Field(pattern=r"^[a-z][a-z0-9_]{0,40}$")
    columns: dict[str, str | list[str] | Join]  # ours: theirs, [first non-empty of theirs], or {join: theirs}
    optional: list[str] = []  # ours that a file may lack
    constants: dict[str, str | int | bool] = {}
    values: dict[str, dict[str, str | bool | int | None]] = {}  # ours: {theirs: ours}; null: no value, '*': others
    date_formats: list[str] = ["iso"]  # iso, excel (serial day numbers), or strptime formats, tried in order
    dates: dict[str, list[str]] = {}  # formats of single columns of ours
    time_zone: str = "UTC"  # of moments without an offset; a date without time stays that date
    decimal: Literal["point", "comma"] = "point"
    delimiter: Literal["auto", ",", ";", "\t", "|"] = "auto"
    encoding: str = "auto"  # auto: by byte order mark, else UTF-8, else cp1252
    order_by: str | None = None  # of several rows with one key the last by this; default: the date of the row
    keep: list[str] = []  # their columns that go to _raw besides the mapped ones
    as_of: dt.date | None = None  # the date of rows in a file without any date

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{value!r} is no IANA time zone, e.g. Europe/Athens") from None
        return value

    @property
    def table(self) -> Table:
        """The table the rows go to."""
        return KINDS[self.kind]

    @property
    def zone(self) -> ZoneInfo:
        """The zone of moments without an offset."""
        return ZoneInfo(self.time_zone)

    @property
    def is_dated(self) -> bool:
        """Whether a column gives rows their date."""
        return any(name in self.columns for name in MOMENTS)

    def theirs(self, ours: str) -> list[str]:
        """Their columns behind one of ours."""
        rule = self.columns[ours]
        return [rule] if isinstance(rule, str) else rule.join if isinstance(rule, Join) else rule


def load_mapping(path: Path, as_of: dt.date | None = None) -> Mapping:
    """Read and check a mapping; `base: <built-in>` starts from one under `mappings/`, `as_of` overrides.

    Raises MappingError with one line per problem.
    """
    fields = _yaml(path)
    if base := fields.pop("base", None):
        fields = _onto(_yaml(_built_in(path, base)), fields)
    if as_of is not None:
        fields["as_of"] = as_of
    try:
        mapping = Mapping.model_validate(fields)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, e['loc'])) or 'mapping'}: {e['msg']}" for e in error.errors()]
        raise MappingError(f"{path.name}: {'; '.join(dict.fromkeys(lines))}") from None
    problems = _problems(mapping)
    if problems:
        raise MappingError(f"{path.name}: {'; '.join(problems)}")
    return mapping


def _yaml(path: Path) -> dict[str, Any]:
    try:
        fields = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MappingError(f"{path.name}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise MappingError(f"{path.name}: is not YAML: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(fields, dict):
        raise MappingError(f"{path.name}: must be a YAML mapping with kind, source and columns")
    return fields


def _built_in(path: Path, name: Any) -> Path:
    known = sorted(p.stem for p in BUILT_IN.glob("*.yaml"))
    if name not in known:
        raise MappingError(f"{path.name}: base {name!r} is not one of {', '.join(known)}")
    return BUILT_IN / f"{name}.yaml"


def _onto(base: dict[str, Any], fields: dict[str, Any]) -> dict[str, Any]:
    """`fields` over `base`, tables entry by entry; a column set to null is taken out of the base altogether."""
    out = {**base, **fields}
    for name in ("columns", "constants", "values", "dates"):
        if isinstance(fields.get(name, {}), dict):
            merged = {**base.get(name, {}), **fields.get(name, {})}
            out[name] = {key: value for key, value in merged.items() if value is not None}
    gone = set(base["columns"]) - set(out["columns"])
    for name in ("values", "dates"):
        out[name] = {key: value for key, value in out[name].items() if key not in gone}
    out["optional"] = [name for name in out.get("optional", []) if name not in gone]
    return out


def _problems(mapping: Mapping) -> list[str]:
    table = mapping.table
    known = {c.name for c in table.columns} - {"source"}
    constant = known - {"email_hash", "email_domain", "merged_ids", "merged_into_id"}
    allowed = constant | {t for t, fills in PERSONAL_TARGETS.items() if known.issuperset(fills)}
    given = set(mapping.columns) | set(mapping.constants)
    out = [
        f"{part} names {name!r}, which is no column of {table.address} (there are: {', '.join(sorted(known))})"
        for part, names, known in (
            ("columns", mapping.columns, allowed),
            ("constants", mapping.constants, constant),
        )
        for name in names
        if name not in known
    ]
    out += [
        f"{part} names {name!r}, which is not mapped"
        for part, names in (
            ("optional", mapping.optional),
            ("values", mapping.values),
            ("dates", mapping.dates),
            ("order_by", [mapping.order_by] if mapping.order_by else []),
        )
        for name in names
        if name not in given
    ]
    filled = given | {"source", "time_precision"}
    out += [f"{name} of the key is not mapped" for name in table.key if name not in filled]
    if not mapping.is_dated and mapping.as_of is None:
        out.append("no column gives rows a date (created_at, updated_at ...): say as_of: YYYY-MM-DD")
    return out
