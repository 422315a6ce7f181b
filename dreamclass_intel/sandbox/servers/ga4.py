"""GA4: the export as a listing of shard files, and the Data API (`v1beta`) over the very same rows."""

import datetime as dt
import re

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dreamclass_intel.sandbox.servers._ga4_events import Export
from dreamclass_intel.sandbox.servers._ga4_report import data_api_routes
from dreamclass_intel.sandbox.servers.site import Site, answer, bearer_ok, iso
from dreamclass_intel.sandbox.traffic import local_day

_DAY = dt.timedelta(days=1)
_FILE = re.compile(r"events_(intraday_)?(\d{8})\.jsonl\.gz")


def routes(site: Site) -> list[BaseRoute]:
    """Mounted at /ga4."""
    export = Export(site.world)
    site.ahead.append(lambda: export.prepare(site.now))

    def listing(request: Request) -> Response:
        if not bearer_ok(request):
            return answer({"message": "invalid token"}, 401)
        return answer({"files": site.at_now("ga4_listing", lambda: _files(site))})

    def shard(request: Request) -> Response:
        if not bearer_ok(request):
            return answer({"message": "invalid token"}, 401)
        name = request.path_params["name"]
        found = next((f for f in site.at_now("ga4_listing", lambda: _files(site)) if f["name"] == name), None)
        if found is None:
            return answer({"message": f"{name} does not exist"}, 404)
        day = _day(name)
        version = site.world.shard(day, site.now)
        body = export.shard(day, version.max_late) if version else export.intraday(day, site.now)
        return Response(body, media_type="application/gzip")

    return [
        Route("/export/", listing),
        Route("/export/{name}", shard),
        *data_api_routes(site, export),
    ]


def _day(name: str) -> dt.date:
    match = _FILE.fullmatch(name)
    assert match is not None
    return dt.datetime.strptime(match.group(2), "%Y%m%d").date()  # noqa: DTZ007 - a date has no zone


def _files(site: Site) -> list[dict[str, str]]:
    """The files that exist now: each day's newest publication; days without one have a streamed file."""
    now, day = site.now, site.world.config.start
    files = []
    while day <= local_day(now):
        version = site.world.shard(day, now)
        name = f"events_{day:%Y%m%d}" if version else f"events_intraday_{day:%Y%m%d}"
        at = version.published_at if version else now
        files.append({"name": f"{name}.jsonl.gz", "last_modified": iso(at)})
        day += _DAY
    return files
