"""BigQuery, its IAM and the Resource Manager on loopback, in their own words, as far as the doctor asks them.

Permissions are granted on the project (and then hold everywhere below) or on a data set. What BigQuery says where one
is missing is taken from public bug reports; what it answers else, from its REST reference.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio.from_thread
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse

from dreamclass_intel.warehouse import bigquery_access
from dreamclass_intel_tests.doctor.vendors import google_key
from dreamclass_intel_tests.sources.helpers import vendor

EMAIL = "suite@school.iam.gserviceaccount.com"
SCHEMAS = ("raw", "core", "xmr", "staging", "intermediate", "marts")
RUN, MAKE = "bigquery.jobs.create", "bigquery.datasets.create"
EDITOR = {
    "bigquery.datasets.get",
    *(f"bigquery.tables.{v}" for v in ("create", "delete", "get", "getData", "list", "update", "updateData")),
}
VIEWER = {"bigquery.datasets.get", *(f"bigquery.tables.{v}" for v in ("get", "getData", "list"))}
Trouble = Callable[[Request, dict[str, Any]], Any]


@dataclass
class Google:
    """A project `school`. `grants` by data set, `None` for the project; a data set not in `datasets` is not there."""

    grants: dict[str | None, set[str]]
    datasets: dict[str, str] = field(default_factory=lambda: dict.fromkeys(SCHEMAS, "EU"))
    tables: dict[str, list[str]] = field(default_factory=lambda: {name: ["some_table"] for name in SCHEMAS})
    expiry_ms: int | None = None
    shards: tuple[str, ...] = ()
    trouble: Trouble = lambda _request, _body: None
    asked: list[str] = field(default_factory=list)

    def holds(self, permission: str, dataset: str | None = None) -> bool:
        there = self.grants.get(dataset, set()) if dataset in self.datasets else set()
        return permission in self.grants.get(None, set()) | there

    def answers(self) -> dict[str, Callable[[Request], Any]]:
        at = "/bigquery/v2/projects/school"
        routes: dict[str, Callable[[Request, dict[str, Any]], Any]] = {
            f"{at}/jobs": self._dry_run,
            f"{at}/queries": self._shards,
            f"{at}/datasets/{{dataset}}": self._dataset,
            f"{at}/datasets/{{dataset}}/tables": self._tables,
            f"{at}/datasets/{{dataset}}/tables/{{table}}:testIamPermissions": self._on_table,
            "/v1/projects/school:testIamPermissions": self._on_project,
        }

        def answer(reply: Callable[[Request, dict[str, Any]], Any]) -> Callable[[Request], Any]:
            def answered(request: Request) -> Any:
                body = json.loads(anyio.from_thread.run(request.body) or b"{}")
                self.asked.append(request.url.path)
                found = self.trouble(request, body)
                return reply(request, body) if found is None else found

            return answered

        token = {"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}
        return {"/token": lambda _request: token, **{path: answer(reply) for path, reply in routes.items()}}

    def _dry_run(self, _request: Request, body: dict[str, Any]) -> Any:
        if not self.holds(RUN):
            return no_run()
        assert body["configuration"]["dryRun"] is True, "the doctor runs nothing"
        query = body["configuration"]["query"]["query"]
        if made := re.match(r"CREATE TABLE `school\.(\w+)\.\w+`", query):
            if not self.holds("bigquery.tables.create", made.group(1)):
                return denied("Dataset", made.group(1), "bigquery.tables.create")
        elif query.startswith("CREATE SCHEMA") and not self.holds(MAKE):
            words = f"Access Denied: Project school: User does not have {MAKE} permission in project school."
            return error(403, "accessDenied", words)
        return {
            "jobReference": {"projectId": "school", "jobId": "j", "location": "EU"},
            "configuration": body["configuration"],
            "status": {"state": "DONE"},
            "statistics": {"totalBytesProcessed": "0", "query": {"totalBytesProcessed": "0"}},
            "user_email": EMAIL,
        }

    def _dataset(self, request: Request, _body: dict[str, Any]) -> Any:
        name = request.path_params["dataset"]
        if not self.holds("bigquery.datasets.get", name):
            return denied("Dataset", name, "bigquery.datasets.get")
        if name not in self.datasets:
            return error(404, "notFound", f"Not found: Dataset school:{name}")
        expiry = {"defaultTableExpirationMs": str(self.expiry_ms)} if self.expiry_ms else {}
        reference = {"projectId": "school", "datasetId": name}
        return {"datasetReference": reference, "location": self.datasets[name], **expiry}

    def _tables(self, request: Request, _body: dict[str, Any]) -> Any:
        name = request.path_params["dataset"]
        if not self.holds("bigquery.tables.list", name):
            return denied("Dataset", name, "bigquery.tables.list")
        found = [{"projectId": "school", "datasetId": name, "tableId": t} for t in self.tables.get(name, [])]
        return {"tables": [{"tableReference": reference} for reference in found], "totalItems": len(found)}

    def _on_table(self, request: Request, body: dict[str, Any]) -> Any:
        name = request.path_params["dataset"]
        held = [p for p in body["permissions"] if self.holds(p, name)]
        return {"permissions": held} if held else {}

    def _on_project(self, _request: Request, body: dict[str, Any]) -> Any:
        held = [p for p in body["permissions"] if self.holds(p)]
        return {"permissions": held} if held else {}

    def _shards(self, _request: Request, _body: dict[str, Any]) -> Any:
        if not self.holds(RUN):
            return no_run()
        if not self.holds("bigquery.tables.getData", "analytics_7"):
            table = "school:analytics_7.__TABLES__"
            words = f"Access Denied: Table {table}: User does not have permission to query table {table}"
            return error(403, "accessDenied", f"{words}, or perhaps it does not exist.")
        names = (("table_id", "STRING"), ("last_modified_time", "INTEGER"), ("row_count", "INTEGER"))
        rows = [(shard, "1704200000000", "5") for shard in self.shards]
        return {
            "jobComplete": True,
            "jobReference": {"projectId": "school", "jobId": "j", "location": "EU"},
            "schema": {"fields": [{"name": n, "type": t, "mode": "NULLABLE"} for n, t in names]},
            "rows": [{"f": [{"v": v} for v in row]} for row in rows],
            "totalRows": str(len(rows)),
        }


def error(status: int, reason: str, message: str, **more: Any) -> JSONResponse:
    """A refusal in BigQuery's form."""
    errors = [{"reason": reason, "message": message, "domain": "global"}]
    return JSONResponse({"error": {"code": status, "message": message, "errors": errors, **more}}, status)


def denied(kind: str, name: str, permission: str) -> JSONResponse:
    """A data set's or table's."""
    words = f"Permission {permission} denied on {kind.lower()} school:{name} (or it may not exist)."
    return error(403, "accessDenied", f"Access Denied: {kind} school:{name}: {words}")


def no_run() -> JSONResponse:
    """The project's."""
    words = f"Access Denied: Project school: User does not have {RUN} permission in project school."
    return error(403, "accessDenied", words)


@contextmanager
def serving(
    google: Google, folder: Path, monkeypatch: pytest.MonkeyPatch, *, date: str | None = None
) -> Iterator[Path]:
    """Serve it where Google's clients look; yields a service account's key file."""
    with vendor(google.answers(), date=date) as url:
        monkeypatch.setenv(
            "BIGQUERY_EMULATOR_HOST", url
        )  # the client's own variable: credentials are sent all the same
        monkeypatch.setattr(bigquery_access, "RESOURCE_MANAGER", url)
        yield google_key(url, folder)
