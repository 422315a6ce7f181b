"""Lead scoring in Supabase: the gateway's key check and PostgREST over `scoring_runs` and `lead_scores`.

Fault of its own: `57014`, a statement timeout.
"""

from decimal import Decimal
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from dreamclass_intel.sandbox.model import LeadScore, ScoringRun
from dreamclass_intel.sandbox.servers._postgrest import PostgrestError, Relation, Row, query
from dreamclass_intel.sandbox.servers.site import Site, answer, bearer_ok
from dreamclass_intel.settings import SANDBOX_KEY

SCHEMAS = ("public", "graphql_public")
RUN_TYPES = {
    "run_id": "uuid",
    "window_start": "timestamptz",
    "window_end": "timestamptz",
    "status": "text",
    "run_version": "int4",
    "supersedes_run_id": "uuid",
    "model_version": "text",
    "weights_version": "text",
    "lqi": "numeric",
    "total_leads": "int4",
    "class_distribution": "jsonb",
    "created_at": "timestamptz",
    "completed_at": "timestamptz",
    "updated_at": "timestamptz",
}
SCORE_TYPES = {
    "id": "int8",
    "run_id": "uuid",
    "lead_id": "uuid",
    "lead_class": "text",
    "score": "numeric",
    "account_id": "uuid",
    "email": "text",
    "source": "text",
    "medium": "text",
    "campaign": "text",
    "scored_at": "timestamptz",
    "updated_at": "timestamptz",
}


def routes(site: Site) -> list[BaseRoute]:
    """Mounted at /supabase."""

    def table(request: Request) -> Response:
        denied = _denied(request)
        if denied is not None:
            return denied
        try:
            if site.faults.take("supabase", request.url.path, "57014"):
                raise PostgrestError(500, "57014", "canceling statement due to statement timeout")
            return _answer(request, _relation(site, request))
        except PostgrestError as error:
            return answer(error.body, error.status)

    methods = ["GET", "HEAD", "POST", "PATCH", "DELETE", "PUT"]
    return [Route("/rest/v1/{table}", table, methods=methods)]


def tables(site: Site) -> dict[str, Relation]:
    """The two tables as they stand now."""

    def build() -> dict[str, Relation]:
        runs = site.world.scoring_runs(site.now)
        scores = [score for run in runs for score in site.world.lead_scores(run)]
        return {
            "scoring_runs": Relation("scoring_runs", RUN_TYPES, [_run(r) for r in runs]),
            "lead_scores": Relation("lead_scores", SCORE_TYPES, [_score(s) for s in scores]),
        }

    found: dict[str, Relation] = site.at_now("supabase", build)
    return found


def _run(run: ScoringRun) -> Row:
    row: dict[str, Any] = {name: getattr(run, name) for name in RUN_TYPES}
    return {**row, "lqi": None if run.lqi is None else Decimal(run.lqi)}


def _score(score: LeadScore) -> Row:
    row: dict[str, Any] = {name: getattr(score, name) for name in SCORE_TYPES}
    return {**row, "score": Decimal(score.score)}


def _denied(request: Request) -> Response | None:
    """The gateway's answer to a missing or wrong key, PostgREST's to a wrong token."""
    key = request.headers.get("apikey") or request.query_params.get("apikey")
    if not key:
        hint = "No `apikey` request header or url param was found."
        return answer({"message": "No API key found in request", "hint": hint}, 401)
    if key != SANDBOX_KEY:
        hint = "Double check your Supabase `anon` or `service_role` API key."
        return answer({"message": "Invalid API key", "hint": hint}, 401)
    if not bearer_ok(request):
        body = {
            "code": "PGRST301",
            "details": "None of the keys was able to decode the JWT",
            "hint": None,
            "message": "No suitable key or wrong key type",
        }
        return answer(body, 401, {"WWW-Authenticate": 'Bearer error="invalid_token"'})
    return None


def _relation(site: Site, request: Request) -> Relation:
    schema = request.headers.get("accept-profile", SCHEMAS[0])
    if schema not in SCHEMAS:
        message = f"The schema must be one of the following: {', '.join(SCHEMAS)}"
        raise PostgrestError(406, "PGRST106", message)
    name = request.path_params["table"]
    if schema != SCHEMAS[0] or name not in ("scoring_runs", "lead_scores"):
        message = f"Could not find the table '{schema}.{name}' in the schema cache"
        raise PostgrestError(404, "PGRST205", message)
    if request.method not in ("GET", "HEAD"):
        raise PostgrestError(403, "42501", f"permission denied for table {name}")
    return tables(site)[name]


def _answer(request: Request, relation: Relation) -> Response:
    prefer, accept = request.headers.get("prefer", ""), request.headers.get("accept", "")
    page = query(
        relation,
        request.query_params.multi_items(),
        count="count=exact" in prefer,
        span=request.headers.get("range"),
    )
    headers = {"Content-Range": page.content_range}
    if accept.startswith("application/vnd.pgrst.object+json"):
        if len(page.rows) != 1:
            message = "JSON object requested, multiple (or no) rows returned"
            raise PostgrestError(406, "PGRST116", message, details=f"The result contains {len(page.rows)} rows")
        return answer(page.rows[0], page.status, headers)
    return answer(page.rows, page.status, headers)
