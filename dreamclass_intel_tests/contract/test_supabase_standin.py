"""What supabase-py and our client rely on in PostgREST, asked over HTTP with the official client.

The same tests run against a real Supabase or PostgREST that holds the world's rows at NOW: give its URL and key as
SUPABASE_CONTRACT_URL and SUPABASE_CONTRACT_KEY.
"""

import datetime as dt
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from postgrest import APIError
from supabase import Client, ClientOptions, create_client

from dreamclass_intel.sandbox.servers._postgrest import Relation
from dreamclass_intel.sandbox.servers.site import Site
from dreamclass_intel.sandbox.servers.supabase import tables
from dreamclass_intel.settings import SANDBOX_KEY
from dreamclass_intel_tests.scoring import own_sandbox

NOW = dt.datetime(2024, 5, 20, 12, tzinfo=dt.UTC)  # ten windows: more lead scores than one page may hold
CAP = 1000


@dataclass
class Project:
    """A project to ask, and the rows it must hold."""

    url: str
    key: str
    client: Client
    expected: dict[str, Relation]

    def get(self, path: str, headers: dict[str, str] | None = None, **params: str) -> httpx.Response:
        keys = {"apikey": self.key, "Authorization": f"Bearer {self.key}"}
        return httpx.get(f"{self.url}/rest/v1/{path}", params=params, headers=headers or keys, trust_env=False)


@pytest.fixture(scope="module", params=["stand-in", "real"])
def project(request, _site: Site, tmp_path_factory) -> Iterator[Project]:
    folder = tmp_path_factory.mktemp("supabase")
    with own_sandbox(_site.world, NOW, folder) as (site, url):
        expected, base, key = tables(site), f"{url}/supabase", SANDBOX_KEY
        if request.param == "real":
            base, key = (os.environ.get(f"SUPABASE_CONTRACT_{n}", "") for n in ("URL", "KEY"))
            if not (base and key):
                pytest.skip("no real PostgREST: SUPABASE_CONTRACT_URL and SUPABASE_CONTRACT_KEY are not set")
        with httpx.Client(trust_env=False, timeout=20) as session:
            options = ClientOptions(httpx_client=session, postgrest_client_retry=False)
            yield Project(base, key, create_client(base, key, options), expected)


def ids(rows: list[Any]) -> list[int]:
    return [row["id"] for row in rows]


def test_values_look_like_postgrest(project):
    truth = project.expected["scoring_runs"].rows[0]
    (row,) = (
        project.client.table("scoring_runs")
        .select("*", "lqi_text:lqi::text", "version:run_version")
        .eq("run_id", truth["run_id"])
        .execute()
        .data
    )
    assert row["lqi_text"] == str(truth["lqi"])
    assert row["lqi"] == float(truth["lqi"])
    assert row["version"] == 1
    assert row["class_distribution"] == truth["class_distribution"]
    assert row["supersedes_run_id"] is None
    assert row["window_start"] == "2024-01-01T00:00:00+00:00"
    assert set(truth) | {"lqi_text", "version"} == set(row)


def test_numeric_text_keeps_trailing_zeros_and_times_their_microseconds(project):
    found = project.client.table("lead_scores").select("id", "score::text", "scored_at").limit(500).execute().data
    truth = {row["id"]: row for row in project.expected["lead_scores"].rows}
    assert any(row["score"].endswith("0") for row in found)
    for row in found:
        assert row["score"] == str(truth[row["id"]]["score"])
        assert dt.datetime.fromisoformat(row["scored_at"]) == truth[row["id"]]["scored_at"]


@pytest.mark.parametrize("asked", ["plain", "limit", "range"])
def test_never_hands_out_more_than_its_cap(project, asked):
    query = project.client.table("lead_scores").select("id")
    query = {"plain": query, "limit": query.limit(5000), "range": query.range(0, 4999)}[asked]
    assert len(query.execute().data) == CAP < len(project.expected["lead_scores"].rows)


def test_counts_when_asked(project):
    total = len(project.expected["lead_scores"].rows)
    answer = project.client.table("lead_scores").select("id", count="exact").order("id").limit(10).execute()
    assert answer.count == total
    assert project.client.table("lead_scores").select("id").limit(10).execute().count is None
    head = project.client.table("lead_scores").select("id", count="exact", head=True).execute()
    assert (head.count, head.data) == (total, [])
    raw = project.get("lead_scores", select="id", limit="10")
    assert (raw.status_code, raw.headers["content-range"]) == (200, "0-9/*")
    keys = {"apikey": project.key, "Authorization": f"Bearer {project.key}", "Prefer": "count=exact"}
    raw = project.get("lead_scores", keys, select="id", limit="10", offset="5")
    assert (raw.status_code, raw.headers["content-range"]) == (206, f"5-14/{total}")
    raw = project.get("lead_scores", {**keys, "Range-Unit": "items", "Range": "3-5"}, select="id", order="id")
    assert (len(raw.json()), raw.headers["content-range"]) == (3, f"3-5/{total}")


def test_past_the_end_is_empty_unless_counted(project):
    query = project.client.table("scoring_runs")
    assert query.select("run_id").range(5000, 5010).execute().data == []
    with pytest.raises(APIError) as error:
        query.select("run_id", count="exact").range(5000, 5010).execute()
    assert error.value.code == "PGRST103"


def test_compares_by_type_and_not_as_text(project):
    rows = project.expected["lead_scores"].rows
    table = project.client.table("lead_scores")

    def found(query: Any) -> set[int]:
        return set(ids(query.execute().data))

    def truth(test: Any) -> set[int]:
        return {row["id"] for row in rows if test(row)}

    assert found(table.select("id").lt("id", 20)) == truth(lambda r: r["id"] < 20)
    assert found(table.select("id").gte("score", "99.5")) == truth(lambda r: r["score"] >= 99.5)
    assert found(table.select("id").eq("id", "5")) == truth(lambda r: r["id"] == 5)
    middle = rows[400]["scored_at"]
    zone = dt.timezone(dt.timedelta(hours=2))
    window = table.select("id").lte("scored_at", middle.astimezone(zone).isoformat()).gt("id", 300)
    assert found(window) == truth(lambda r: r["scored_at"] <= middle and r["id"] > 300)
    assert found(table.select("id").neq("lead_class", "D").lt("id", 50)) == truth(
        lambda r: r["lead_class"] != "D" and r["id"] < 50
    )


def test_nulls_match_only_is(project):
    rows = [r for r in project.expected["lead_scores"].rows if r["id"] < 700]
    nulls = {r["id"] for r in rows if r["campaign"] is None}
    rest = {r["id"] for r in rows} - nulls
    some = next(r["campaign"] for r in rows if r["campaign"] is not None)
    others = {r["id"] for r in rows if r["campaign"] not in (None, some)}

    def found(narrow: Any) -> set[int]:
        return set(ids(narrow(project.client.table("lead_scores").select("id").lt("id", 700)).execute().data))

    assert nulls
    assert others
    assert found(lambda q: q.is_("campaign", "null")) == nulls
    assert found(lambda q: q.not_.is_("campaign", "null")) == rest
    assert found(lambda q: q.neq("campaign", some)) == others
    assert found(lambda q: q.not_.eq("campaign", some)) == others


def test_lists_and_logic_take_quoted_values(project):
    rows = project.expected["lead_scores"].rows
    first, second = rows[10], rows[20]
    table = project.client.table("lead_scores")
    assert ids(table.select("id").in_("id", [first["id"], second["id"]]).order("id").execute().data) == sorted(
        [first["id"], second["id"]]
    )
    moments = f'"{first["scored_at"].isoformat()}","{second["scored_at"].isoformat()}"'
    assert len(project.get("lead_scores", select="id", scored_at=f"in.({moments})").json()) == 2
    at = first["scored_at"].isoformat()
    either = f'scored_at.gt."{at}",and(scored_at.eq."{at}",id.gte.{first["id"]})'
    narrowed = table.select("id").or_(either).lt("id", second["id"]).order("id")
    assert ids(narrowed.execute().data) == sorted(
        r["id"] for r in rows if r["scored_at"] >= first["scored_at"] and r["id"] < second["id"]
    )
    nobody = project.get("lead_scores", **{"select": "id", "and": "(id.gt.5,not.or(id.eq.6,id.gt.6))"})
    assert nobody.json() == []


def test_keyset_paging_is_complete(project):
    seen: list[int] = []
    after = ""
    while True:
        query = project.client.table("lead_scores").select("id", "updated_at").order("updated_at").order("id")
        page = (query.or_(after) if after else query).limit(300).execute().data
        if not page:
            break
        seen += ids(page)
        at, last = page[-1]["updated_at"], page[-1]["id"]
        after = f'updated_at.gt."{at}",and(updated_at.eq."{at}",id.gt.{last})'
    truth = sorted(project.expected["lead_scores"].rows, key=lambda r: (r["updated_at"], r["id"]))
    assert seen == [row["id"] for row in truth]


def test_orders_with_nulls_last_going_up_and_first_going_down(project):
    table = project.client.table("lead_scores")
    up = [r["campaign"] for r in table.select("campaign").lt("id", 60).order("campaign").execute().data]
    down = table.select("campaign").lt("id", 60).order("campaign", desc=True).execute().data
    assert up[-1] is None
    assert up[0] is not None
    assert down[0]["campaign"] is None
    two = table.select("run_id", "id").order("run_id", desc=True).order("id").limit(900).execute().data
    assert two == sorted(sorted(two, key=lambda r: r["id"]), key=lambda r: r["run_id"].replace("-", ""), reverse=True)


@pytest.mark.parametrize(
    ("table", "params", "status", "codes"),
    [
        ("nothing", {}, 404, {"42P01", "PGRST205"}),
        ("scoring_runs", {"select": "nothing"}, 400, {"42703"}),
        ("scoring_runs", {"nothing": "eq.1"}, 400, {"42703"}),
        ("scoring_runs", {"order": "nothing"}, 400, {"42703"}),
        ("scoring_runs", {"run_id": "eq.nothing"}, 400, {"22P02"}),
        ("scoring_runs", {"run_version": "eq.x"}, 400, {"22P02"}),
        ("scoring_runs", {"updated_at": "gt.x"}, 400, {"22007"}),
        ("scoring_runs", {"run_version": "nothing"}, 400, {"PGRST100"}),
        ("scoring_runs", {"or": "(run_version.eq.1"}, 400, {"PGRST100"}),
    ],
)
def test_explains_a_bad_request(project, table, params, status, codes):
    answer = project.get(table, **params)
    assert answer.status_code == status
    assert answer.json()["code"] in codes
    assert set(answer.json()) == {"code", "details", "hint", "message"}


def test_knows_the_exposed_schemas_only(project):
    with pytest.raises(APIError) as error:
        project.client.schema("secrets").table("scoring_runs").select("*").execute()
    assert error.value.code == "PGRST106"


def test_single_wants_one_row(project):
    table = project.client.table("scoring_runs")
    run_id = project.expected["scoring_runs"].rows[0]["run_id"]
    assert table.select("run_id").eq("run_id", run_id).single().execute().data == {"run_id": run_id}
    with pytest.raises(APIError) as error:
        table.select("run_id").single().execute()
    assert error.value.code == "PGRST116"


def test_refuses_without_the_key_and_with_a_wrong_one(project):
    bearer = {"Authorization": f"Bearer {project.key}"}
    missing = project.get("scoring_runs", bearer)
    assert missing.status_code == 401
    assert "message" in missing.json()
    assert project.get("scoring_runs", {"apikey": "wrong", "Authorization": "Bearer wrong"}).status_code == 401
    bad_token = project.get("scoring_runs", {"apikey": project.key, "Authorization": "Bearer a.b.c"})
    assert (bad_token.status_code, bad_token.json()["code"]) == (401, "PGRST301")


def test_is_read_only(project):
    with pytest.raises(APIError) as error:
        project.client.table("scoring_runs").insert({"run_version": 1}).execute()
    assert error.value.code == "42501"
