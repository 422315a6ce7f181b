"""The Data API's `runReport` and `metadata`, computed from the rows that the export publishes.

Faults of its own (`site.faults.add("ga4", kind)`): thresholded, sampled, other_row, time_zone.
"""

import datetime as dt
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dreamclass_intel.sandbox import regimes
from dreamclass_intel.sandbox.servers._ga4_events import Export
from dreamclass_intel.sandbox.servers.site import Site, answer
from dreamclass_intel.settings import Ga4Settings

DIMENSIONS = ("date", "sessionDefaultChannelGroup")
METRICS = {
    "sessions": "TYPE_INTEGER",
    "engagedSessions": "TYPE_INTEGER",
    "totalUsers": "TYPE_INTEGER",
    "newUsers": "TYPE_INTEGER",
    "eventCount": "TYPE_INTEGER",
    "keyEvents": "TYPE_FLOAT",
}
DEFAULT_LIMIT, MAX_LIMIT = 10_000, 250_000
_DAY = dt.timedelta(days=1)
Row = tuple[tuple[str, ...], dict[str, int]]


class _InvalidError(ValueError):
    """The request is one that Google answers with INVALID_ARGUMENT."""


def data_api_routes(site: Site, export: Export) -> list[BaseRoute]:
    """Under /v1beta, as in the real API."""

    async def run_report(request: Request) -> Response:
        body = await request.json()
        if request.path_params["property"] != Ga4Settings.sandbox_property:
            return _error(403, "PERMISSION_DENIED", "User does not have sufficient permissions for this property.")
        fault = site.faults.take("ga4", request.url.path, "thresholded", "sampled", "other_row", "time_zone")
        try:
            reply = await run_in_threadpool(_report, site, export, body, fault.kind if fault else "")
            return answer(reply)
        except _InvalidError as error:
            return _error(400, "INVALID_ARGUMENT", str(error))

    def metadata(request: Request) -> Response:
        return answer(
            {
                "name": f"properties/{request.path_params['property']}/metadata",
                "dimensions": [{"apiName": name, "uiName": name} for name in DIMENSIONS],
                "metrics": [{"apiName": n, "uiName": n, "type": t} for n, t in METRICS.items()],
            }
        )

    return [
        Route("/v1beta/properties/{property}:runReport", run_report, methods=["POST"]),
        Route("/v1beta/properties/{property}/metadata", metadata),
    ]


def _error(code: int, status: str, message: str) -> Response:
    return answer({"error": {"code": code, "message": message, "status": status}}, code)


def _report(site: Site, export: Export, body: dict[str, Any], fault: str) -> dict[str, Any]:
    dimensions = [d["name"] for d in body.get("dimensions", [])]
    metrics = [m["name"] for m in body.get("metrics", [])]
    unknown = [n for n in dimensions if n not in DIMENSIONS] + [n for n in metrics if n not in METRICS]
    if unknown:
        raise _InvalidError(f"Field {unknown[0]} is not a valid dimension or metric of this property.")
    if "date" not in dimensions or len(body.get("dateRanges", [])) != 1 or not metrics:
        raise _InvalidError("This stand-in answers reports by date over one date range.")
    limit, offset = int(body.get("limit") or DEFAULT_LIMIT), int(body.get("offset") or 0)
    if limit > MAX_LIMIT:
        raise _InvalidError(f"The limit must be at most {MAX_LIMIT}.")
    rows, days = _rows(site, export, body["dateRanges"][0], dimensions)
    if fault == "other_row":
        rows.append((tuple("(other)" for _ in dimensions), dict.fromkeys(METRICS, 1)))
    rows = _ordered(rows, body.get("orderBys", []), dimensions, metrics)
    shown = rows[offset : offset + limit]
    metadata: dict[str, Any] = {"currencyCode": "USD", "timeZone": regimes.REPORTING_TZ}
    if fault == "time_zone":
        metadata["timeZone"] = "America/Los_Angeles"
    if fault == "thresholded":
        metadata["subjectToThresholding"] = True
    if fault == "other_row":
        metadata["dataLossFromOtherRow"] = True
    if fault == "sampled":
        metadata["samplingMetadatas"] = [{"samplesReadCount": "500", "samplingSpaceSize": "10000"}]
    reply: dict[str, Any] = {
        "dimensionHeaders": [{"name": name} for name in dimensions],
        "metricHeaders": [{"name": name, "type": METRICS[name]} for name in metrics],
        "rows": [
            {
                "dimensionValues": [{"value": value} for value in names],
                "metricValues": [{"value": str(found[name])} for name in metrics],
            }
            for names, found in shown
        ],
        "rowCount": len(rows),
        "metadata": metadata,
        "kind": "analyticsData#runReport",
    }
    if body.get("returnPropertyQuota"):
        reply["propertyQuota"] = _quota(1 + days // 31)
    return reply


def _rows(site: Site, export: Export, date_range: dict[str, str], dimensions: list[str]) -> tuple[list[Row], int]:
    try:
        day, last = (dt.date.fromisoformat(date_range[k]) for k in ("startDate", "endDate"))
    except (KeyError, ValueError):
        raise _InvalidError("Invalid startDate or endDate.") from None
    if last < day:
        raise _InvalidError("startDate must not be after endDate.")
    days, now, rows = (last - day).days + 1, site.now, []
    while day <= last:
        version = site.world.shard(day, now)
        # A day shows up once it is processed; by then the export has it too.
        for group, found in export.report(day, version.max_late).items() if version else ():
            if ("sessionDefaultChannelGroup" in dimensions) == bool(group):
                values = {"date": f"{day:%Y%m%d}", "sessionDefaultChannelGroup": group}
                rows.append((tuple(values[name] for name in dimensions), found))
        day += _DAY
    return rows, days


def _ordered(rows: list[Row], order_bys: list[dict[str, Any]], dimensions: list[str], metrics: list[str]) -> list[Row]:
    if not order_bys:
        return sorted(rows, key=lambda row: -row[1][metrics[0]])
    for order in reversed(order_bys):
        if "dimension" in order:
            position = dimensions.index(order["dimension"]["dimensionName"])
            rows = sorted(rows, key=lambda row: row[0][position], reverse=bool(order.get("desc")))
        else:
            name = order["metric"]["metricName"]
            rows = sorted(rows, key=lambda row: row[1][name], reverse=bool(order.get("desc")))
    return rows


def _quota(tokens: int) -> dict[str, Any]:
    limits = {"tokensPerDay": 200_000, "tokensPerHour": 40_000, "tokensPerProjectPerHour": 14_000}
    quota = {name: {"consumed": tokens, "remaining": most - tokens} for name, most in limits.items()}
    return {**quota, "concurrentRequests": {"remaining": 10}, "serverErrorsPerProjectPerHour": {"remaining": 10}}
