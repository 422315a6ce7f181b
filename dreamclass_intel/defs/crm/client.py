"""HubSpot's CRM API: keyset search, batch reads, associations. No Dagster asset and no table lives here."""

import datetime as dt
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from dreamclass_intel.defs.crm.csv_files import CsvFile, folder_files
from dreamclass_intel.defs.crm.csv_mapping import load_mapping
from dreamclass_intel.http import Api, pages
from dreamclass_intel.partitions import Days
from dreamclass_intel.settings import Mode, load_settings

MODIFIED = {"companies": "hs_lastmodifieddate", "contacts": "lastmodifieddate", "deals": "hs_lastmodifieddate"}
LIST_PAGE = 100
HISTORY_PAGE = 50  # HubSpot's cap for reads with history
SEARCHES_PER_S = 4.0  # HubSpot's cap for search; other endpoints are far from theirs
# Types that cannot hold free text: custom properties of other types may name a person and are not read.
SAFE_TYPES = frozenset({"number", "datetime", "date", "enumeration", "bool"})


class CrmResource(dg.ConfigurableResource):
    """Reads HubSpot with a private app's token; the CSV route is in `csv_import.py`."""

    search_page: int = 200
    association_page: int = 1000
    csv_file: str | None = None  # one export to import (`dreamclass-intel import-crm`), else CRM_CSV_DIR
    csv_mapping: str | None = None
    csv_as_of: str | None = None
    _last_search: float = PrivateAttr(default=0.0)

    def csv_files(self) -> list[CsvFile] | None:
        """The CSV exports to read instead of HubSpot, or None. Raises MappingError."""
        if self.csv_file:
            as_of = dt.date.fromisoformat(self.csv_as_of) if self.csv_as_of else None
            return [CsvFile(Path(self.csv_file), load_mapping(Path(self.csv_mapping or ""), as_of))]
        settings = load_settings().crm
        if settings.csv_dir and settings.mode is Mode.LIVE:
            return folder_files(settings.csv_dir)
        return None

    def _api(self) -> Api:
        settings = load_settings().crm
        return Api(
            "crm",
            settings.url(settings.api_base),
            headers={"Authorization": f"Bearer {settings.secret('hubspot_token')}"},
            timeout_s=settings.timeout_s,
        )

    def modified(
        self, kind: str, properties: Iterable[str], window: Days, *, open_end: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Objects last modified on the window's days (`open_end`: or later), in order of id. Raises SourceError.

        Pages by object id instead of offset, so that neither 10,000 results nor thousands of objects with one
        modification time stop or loop it.
        """
        span = [{"propertyName": MODIFIED[kind], "operator": "GTE", "value": _epoch_ms(window.start_at)}]
        if not open_end:
            span.append({"propertyName": MODIFIED[kind], "operator": "LT", "value": _epoch_ms(window.end_at)})
        wanted = sorted({*properties, "createdate", "hs_object_id", MODIFIED[kind]})

        def fetch(last: str | None) -> tuple[list[Any], str | None]:
            after = [{"propertyName": "hs_object_id", "operator": "GT", "value": last}] if last else []
            body = {
                "filterGroups": [{"filters": [*span, *after]}],
                "sorts": [{"propertyName": "hs_object_id", "direction": "ASCENDING"}],
                "properties": wanted,
                "limit": self.search_page,
            }
            self._pace()
            found = self._api().post(f"/crm/v3/objects/{kind}/search", body)["results"]
            return found, found[-1]["id"] if len(found) == self.search_page else None

        for page in pages(fetch, source="crm"):
            yield from page

    def archived(self, kind: str, properties: Iterable[str], window: Days) -> Iterator[dict[str, Any]]:
        """Objects deleted on the window's days. Search never shows them and they count as unmodified."""
        params = {"limit": LIST_PAGE, "archived": "true", "properties": sorted(properties)}
        for item in self._listed(f"/crm/v3/objects/{kind}", params):
            if window.holds(item["archivedAt"][:10]):
                yield item

    def history(self, kind: str, ids: Iterable[str], properties: list[str]) -> Iterator[dict[str, Any]]:
        """Objects by id with `propertiesWithHistory`; ids that are gone meanwhile are left out."""
        for chunk in chunks(ids, HISTORY_PAGE):
            body = {
                "inputs": [{"id": i} for i in chunk],
                "properties": [],
                "propertiesWithHistory": properties,
            }
            yield from self._api().post(f"/crm/v3/objects/{kind}/batch/read", body)["results"]

    def associations(self, source: str, target: str, ids: list[str]) -> dict[str, list[tuple[str, bool]]]:
        """Associated ids of each id, as (id, is primary), primary first then by id."""
        found: dict[str, list[tuple[str, bool]]] = {}
        todo: list[dict[str, str]] = [{"id": i} for i in ids]
        while todo:
            body = self._api().post(
                f"/crm/v4/associations/{source}/{target}/batch/read", {"inputs": todo[: self.association_page]}
            )
            todo = todo[self.association_page :]
            for entry in body["results"]:
                into = found.setdefault(str(entry["from"]["id"]), [])
                for to in entry["to"]:
                    primary = any(t.get("label") == "Primary" for t in to["associationTypes"])
                    into.append((str(to["toObjectId"]), primary))
                # A record with very many associations has pages of its own.
                if following := (entry.get("paging") or {}).get("next"):
                    todo.append({"id": str(entry["from"]["id"]), "after": str(following["after"])})
        for links in found.values():
            links.sort(key=lambda link: (not link[1], int(link[0])))
        return found

    def custom_properties(self, kind: str) -> list[str]:
        """The account's own properties of `kind` that cannot hold free text."""
        defined = self._api().get(f"/crm/v3/properties/{kind}")["results"]
        return sorted(p["name"] for p in defined if not p.get("hubspotDefined", False) and p["type"] in SAFE_TYPES)

    def pipelines(self) -> list[dict[str, Any]]:
        """Deal pipelines with their stages."""
        found: list[dict[str, Any]] = self._api().get("/crm/v3/pipelines/deals")["results"]
        return found

    def granted(self) -> list[str]:
        """The scopes the private app's token holds, in HubSpot's own words."""
        settings = load_settings().crm
        # The one request whose body holds the token; it goes where the header takes it anyway.
        body = {"tokenKey": settings.secret("hubspot_token")}
        found = self._api().post("/oauth/v2/private-apps/get/access-token-info", body)["scopes"]
        return sorted(map(str, found))

    def owners(self) -> Iterator[dict[str, Any]]:
        """Owners, archived ones too."""
        for archived in ("false", "true"):
            yield from self._listed("/crm/v3/owners", {"limit": LIST_PAGE, "archived": archived})

    def _listed(self, path: str, params: dict[str, Any]) -> Iterator[dict[str, Any]]:
        def fetch(after: str | None) -> tuple[list[Any], str | None]:
            body = self._api().get(path, {**params, "after": after} if after else params)
            return body["results"], (body.get("paging") or {}).get("next", {}).get("after")

        for page in pages(fetch, source="crm"):
            yield from page

    def _pace(self) -> None:
        if load_settings().crm.mode is Mode.LIVE:
            wait = self._last_search + 1 / SEARCHES_PER_S - time.monotonic()
            if wait > 0:
                time.sleep(wait)
            self._last_search = time.monotonic()


def chunks(items: Iterable[Any], size: int) -> Iterator[list[Any]]:
    """Lists of at most `size` items."""
    source = iter(items)
    while chunk := list(islice(source, size)):
        yield chunk


def _epoch_ms(moment: dt.datetime) -> str:
    return str(int(moment.timestamp() * 1000))


RESOURCES = {"crm": CrmResource()}
