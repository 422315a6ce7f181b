"""For tests of sources: a vendor of the test's own making, retries that do not wait, truth and warehouse."""

import datetime as dt
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from dreamclass_intel import catalog
from dreamclass_intel.sandbox.servers.server import serving
from dreamclass_intel.settings import load_settings
from dreamclass_intel.warehouse.duckdb import DuckDBWarehouse


@contextmanager
def vendor(answers: dict[str, Callable[[Request], Any]], *, date: str | None = None) -> Iterator[str]:
    """Serve JSON over real HTTP: path -> function of the request giving a body or a Response.

    `date` is what its clock says, in the form of HTTP's Date header.
    """

    def route(path: str, reply: Callable[[Request], Any]) -> Route:
        def endpoint(request: Request) -> Response:
            body = reply(request)
            response = body if isinstance(body, Response) else JSONResponse(body)
            if date:
                response.headers["Date"] = date
            return response

        return Route(path, endpoint, methods=["GET", "POST"])

    app = Starlette(routes=[route(path, reply) for path, reply in answers.items()])
    with serving(app, date_header=date is None) as url:
        yield url


def fresh_assets(package: str) -> ModuleType:
    """A second copy of a source's `assets.py`, made under the settings in force now."""
    spec = importlib.util.find_spec(f"{package}.assets")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def content_hash(address: str) -> str:
    """Hash of a stored table's content."""
    return DuckDBWarehouse(load_settings().database).content_hash(catalog.table(address))


def failure(result: Any) -> str:
    """Everything a failed run says about why."""
    return "\n".join(
        str(event.event_specific_data.error.to_string())
        for event in result.all_events
        if event.is_step_failure or event.is_step_up_for_retry
    )


def event(second: int = 0, name: str = "page_view", date: str = "20240205", **more: Any) -> dict[str, Any]:
    """A row as BigQuery exports it: INT64 as text, nulls left out."""
    stamp = int(dt.datetime(2024, 2, 5, 10, 0, second, tzinfo=dt.UTC).timestamp()) * 1_000_000
    params = more.pop("params", {"ga_session_id": 1707127200})
    if date > "20240205":
        stamp += (dt.date.fromisoformat(date) - dt.date(2024, 2, 5)).days * 86_400_000_000
    kinds = {str: "string_value", float: "double_value"}
    return {
        "event_date": date,
        "event_timestamp": str(stamp),
        "event_name": name,
        "user_pseudo_id": "11.22",
        "event_params": [
            {"key": k, "value": {kinds[type(v)]: v} if type(v) in kinds else {"int_value": str(v)}}
            for k, v in params.items()
        ],
        "items": [],
        **more,
    }
