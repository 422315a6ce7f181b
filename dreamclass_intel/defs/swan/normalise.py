"""The visitor feed's objects as records: companies only, whatever it says about persons is dropped first."""

from collections.abc import Mapping
from typing import Any

from dreamclass_intel.contracts import Table
from dreamclass_intel.defs.swan import tables
from dreamclass_intel.privacy import scrub

# Removed at any depth before anything else looks at a record.
PERSONAL_FIELDS = frozenset(
    {"person", "persons", "people", "contact", "contacts", "first_name", "last_name", "full_name"}
    | {"job_title", "email", "business_email", "work_email", "phone", "linkedin_url", "ip", "ip_address"}
)
_URLS = ("page_url", "referrer", "website")
Object = Mapping[str, Any]


def _clean(entry: Object) -> dict[str, Any]:
    """Without persons; URLs without query and fragment, which may hold names or tokens."""
    record = scrub(entry, PERSONAL_FIELDS)
    for name in _URLS:
        if isinstance(record.get(name), str):
            record[name] = record[name].split("?")[0].split("#")[0]
    return record


def _columns(table: Table, record: Object) -> dict[str, Any]:
    """The feed's fields carry the columns' names."""
    return {column.name: record.get(column.name) for column in table.columns}


def visit(entry: Object) -> dict[str, Any]:
    """A record of `raw.swan_visits`."""
    record = _clean(entry)
    return {**_columns(tables.VISITS, record), "provider": record.get("provider") or "swan", "_raw": record}


def company(entry: Object) -> dict[str, Any]:
    """A record of `raw.swan_companies`."""
    record = _clean(entry)
    return {**_columns(tables.COMPANIES, record), "_raw": record}
