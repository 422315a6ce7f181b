"""Supabase tables through the official client: keyset paging, retries, errors in words. No asset here."""

import datetime as dt
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import dagster as dg
import httpx

from dreamclass_intel.glance import note, time_limit
from dreamclass_intel.http import MAX_ATTEMPTS, SourceError, retry_after, retrying
from dreamclass_intel.partitions import ScoringWindow
from dreamclass_intel.settings import load_settings

Row = dict[str, Any]
SOURCE = "lead_scoring"
RUNS, SCORES = "scoring_runs", "lead_scores"
RUNS_PER_QUERY = 25  # keeps the URL short and one query's rows in memory small
STATEMENT_TIMEOUT = "57014"

# What a person can do about it; everything else shows PostgREST's own message.
HINTS = {
    "PGRST301": "the key was refused: expired or not a key of this project",
    "PGRST106": "the schema is not exposed in the project's API settings",
    "PGRST205": "the table does not exist or PostgREST's schema cache is stale",
    "22023": "the key names a role that does not exist",
    "42P01": "the table does not exist",
    "42501": "the key's role may not read this table",
    "42703": "the table lacks a column we need",
    STATEMENT_TIMEOUT: "statement timeout",
    "401": "the key was refused",
    "403": "the key lacks permission",
    "429": "rate limit",
}
_SECRET = re.compile(r"eyJ[\w-]{10,}[\w.-]*|sb_(?:secret|publishable)_\w+")


class LeadScoringResource(dg.ConfigurableResource):
    """Reads the tables `scoring_runs` and `lead_scores`; every method raises SourceError."""

    def runs(self, windows: Sequence[ScoringWindow]) -> list[Row]:
        """All runs whose window starts within `windows` (on or off the grid), whatever their status."""
        asked = set(windows)
        with _project() as project:
            rows = project.rows(
                RUNS,
                "run_id",
                "*, lqi_text:lqi::text",
                lambda q: q.gte("window_start", _midnight(min(asked).start)).lt(
                    "window_start", _midnight(max(asked).end)
                ),
            )
            found = [exact(row, "lqi") for row in rows if window_of(row) in asked]
            if not rows and project.is_blank(RUNS):
                raise hidden(RUNS, f"{len(asked)} scoring windows were asked for")
        return found

    def lead_scores(self, runs: Sequence[Row]) -> Iterator[Row]:
        """The lead scores of `runs`, a few runs at a time."""
        expected = sum(run["total_leads"] or 0 for run in runs if run["status"] == "completed")
        seen = 0
        with _project() as project:
            for start in range(0, len(runs), RUNS_PER_QUERY):
                ids = [run["run_id"] for run in runs[start : start + RUNS_PER_QUERY]]
                rows = project.rows(SCORES, "id", "*, score_text:score::text", _in("run_id", ids))
                seen += len(rows)
                yield from (exact(row, "score") for row in rows)
        if expected and not seen:
            raise hidden(SCORES, f"the completed runs name {expected} leads")

    def completed_since(self, moment: dt.datetime | None, *, timeout_s: float = 10, attempts: int = 2) -> list[Row]:
        """Completed runs with completed_at from `moment` on (all, if None), in order of completion.

        For a sensor: gives up early, the next tick asks again.
        """

        def narrow(query: Any) -> Any:
            query = query.eq("status", "completed").not_.is_("completed_at", "null")
            return query.gte("completed_at", moment.isoformat()) if moment else query

        with _project(timeout_s, attempts) as project:
            rows = project.rows(RUNS, "run_id", "run_id, window_start, status, completed_at, updated_at", narrow)
        return sorted(rows, key=lambda row: (at(row["completed_at"]), row["run_id"]))

    def shows_rows(self, table: str) -> bool:
        """Whether one of the two tables shows this key any row at all."""
        with _project() as project:
            return not project.is_blank(table)


class _Project:
    """One Supabase project, seen through supabase-py."""

    def __init__(self, client: Any, page_size: int, attempts: int) -> None:
        self.client, self.page_size, self.attempts = client, page_size, attempts

    def rows(self, table: str, key: str, columns: str, narrow: Callable[[Any], Any]) -> list[Row]:
        """All rows that `narrow` leaves, by keyset on (updated_at, key).

        Ends on an empty page, never on a short one: the server may cap pages below what we ask for. A row
        changed while we page comes again with its new values, which win.
        """
        found: dict[Any, Row] = {}
        limit, after = self.page_size, ""

        def page() -> list[Row]:
            nonlocal limit
            query = narrow(self.client.table(table).select(columns))
            query = query.order("updated_at").order(key).limit(limit)
            try:
                return self._execute(table, query.or_(after) if after else query)
            except SourceError as error:
                if STATEMENT_TIMEOUT in str(error):
                    limit = max(1, limit // 2)
                raise

        while batch := retrying(_transient, attempts=self.attempts)(page):
            position = f'"{batch[-1]["updated_at"]}"', f'"{batch[-1][key]}"'
            following = "updated_at.gt.{0},and(updated_at.eq.{0},{2}.gt.{1})".format(*position, key)
            if following == after:
                raise SourceError(SOURCE, table, "paging does not advance", status=400)
            after = following
            found.update((row[key], row) for row in batch)
        return list(found.values())

    def is_blank(self, table: str) -> bool:
        """Whether the table shows no row at all."""
        query = self.client.table(table).select("updated_at").limit(1)
        return not retrying(_transient, attempts=self.attempts)(lambda: self._execute(table, query))

    def _execute(self, table: str, query: Any) -> list[Row]:
        try:
            data = query.execute().data
        except httpx.HTTPError as error:
            host = load_settings().lead_scoring
            shown = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            raise SourceError(
                SOURCE, table, f"no answer from {httpx.URL(host.url(host.base_url or '')).host}: {shown}"
            ) from None
        if not isinstance(data, list):  # supabase-py hands out a body that is not JSON as plain text
            raise SourceError(SOURCE, table, f"answer is not a JSON list ({len(str(data))} characters)")
        return data


@contextmanager
def _project(timeout_s: float | None = None, attempts: int = MAX_ATTEMPTS) -> Iterator[_Project]:
    """Connect with the key of the settings. supabase is imported here: it costs a second."""
    from supabase import ClientOptions, create_client

    settings = load_settings().lead_scoring
    # A session of our own: supabase-py drops the status and Retry-After, and a proxy must not see the key.
    with httpx.Client(
        timeout=time_limit(timeout_s or settings.timeout_s), trust_env=False, event_hooks={"response": [_refuse]}
    ) as session:
        options = ClientOptions(httpx_client=session, postgrest_client_retry=False)
        client = create_client(settings.url(settings.base_url or ""), settings.secret("key"), options)
        yield _Project(client, settings.page_size, attempts)


def _refuse(response: httpx.Response) -> None:
    """Turn an answer that is no data into a SourceError that knows its status."""
    table = response.request.url.path.rsplit("/", 1)[-1]
    note(response.status_code, response.headers)
    response.read()
    if response.is_success:
        if not response.content:  # supabase-py would call it an empty page and paging would end early
            raise SourceError(SOURCE, table, "the answer is empty")
        return
    try:
        body = response.json()
    except ValueError:
        body = None
    body = body if isinstance(body, Mapping) else {}
    code = str(body.get("code") or "")
    hint = HINTS.get(code) or HINTS.get(str(response.status_code), "")
    message = _SECRET.sub("[key]", str(body.get("message") or ""))[:200]
    raise SourceError(
        SOURCE,
        table,
        "; ".join(part for part in (code, hint, message) if part) or "failed",
        # A statement that took too long may succeed with a smaller page, whatever status it came with.
        status=500 if code == STATEMENT_TIMEOUT else response.status_code,
        wait_s=retry_after(response.headers.get("Retry-After")),
    )


def _transient(error: BaseException) -> bool:
    return isinstance(error, SourceError) and not error.permanent


def hidden(table: str, expectation: str) -> SourceError:
    """The error for a 200 with no row where rows must be."""
    return SourceError(
        SOURCE,
        table,
        f"not one row is visible although {expectation}. Either nothing has been scored yet, or row-level "
        "security hides the rows from this key: give SUPABASE_KEY a secret key (sb_secret_…, service_role), "
        "or its role a SELECT policy",
        status=200,  # an answer that retrying will not change
    )


def exact(row: Row, name: str) -> Row:
    """The row with the exact text of a numeric column in place of the float that JSON made of it."""
    return {k: row[f"{name}_text"] if k == name else v for k, v in row.items() if k != f"{name}_text"}


def at(text: str) -> dt.datetime:
    """Aware UTC datetime of a timestamptz as PostgREST writes it."""
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


def window_of(row: Row) -> ScoringWindow | None:
    """The window in which a run's own window starts, aligned or not; None before the first."""
    try:
        return ScoringWindow.containing(at(row["window_start"]).date())
    except ValueError:
        return None


def _in(column: str, values: list[str]) -> Callable[[Any], Any]:
    return lambda query: query.in_(column, values)


def _midnight(day: dt.date) -> str:
    return dt.datetime.combine(day, dt.time(), dt.UTC).isoformat()


RESOURCES = {"lead_scoring": LeadScoringResource()}
