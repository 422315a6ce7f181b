"""The dbt project on disk: where it is, its manifest (parsed when stale), and lineage questions over it."""

import datetime as dt
import json
import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_dbt import DbtCliResource, DbtProject
from filelock import FileLock
from packaging.version import Version

from dreamclass_intel import catalog
from dreamclass_intel.contracts import Grain
from dreamclass_intel.settings import PROJECT_DIR, BigQuerySettings, load_settings

DBT_DIR = PROJECT_DIR / "dbt"
UNTRACKED = {"target", "logs", ".user.yml"}


DBT = str(Path(sys.executable).with_name("dbt"))  # the one of this environment, whatever PATH says


class _Dbt(DbtCliResource):
    """The dbt of this environment. Its version is known; asking `dbt --version` costs 3 s before each command."""

    @cached_property
    def _cli_version(self) -> Version:
        return Version(metadata.version("dbt-core"))


def command_line() -> DbtCliResource:
    """dbt over this project."""
    target = load_settings().warehouse
    return _Dbt(project_dir=str(DBT_DIR), profiles_dir=str(DBT_DIR), target=target, dbt_executable=DBT)


@contextmanager
def environment(
    as_of: dt.date, changed: Collection[dt.date] | None = None, built_by: str = "by hand"
) -> Iterator[None]:
    """What the project reads from the environment, while a dbt command is started: settings, the newest closed day,
    the days that incremental models build (None: all), what their rows are stamped with.

    The days are no `--vars` values: dbt parses the whole project anew when one changes.
    """
    settings = load_settings()
    ours = {
        "AS_OF_DATE": as_of.isoformat(),
        "CHANGED_DAYS": " ".join(sorted(day.isoformat() for day in changed or ())),
        "SESSION_DAYS_BUILT_BY": built_by,
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DBT_TARGET_PATH": str(_target_path()),  # where Dagster's dbt looks for the last parse
        **(_bigquery(settings.bigquery) if settings.warehouse == "bigquery" else {}),
        "DUCKDB_PATH": str(settings.database),
    }
    before = {name: os.environ.get(name) for name in ours}
    os.environ.update(ours)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _bigquery(settings: BigQuerySettings) -> dict[str, str]:
    """The variables of the profile, as settings have them: they may stand in `.env`, which dbt does not read."""
    return {
        "BIGQUERY_PROJECT": settings.project or "",
        "BIGQUERY_DATASET_PREFIX": settings.dataset_prefix,
        "BIGQUERY_LOCATION": settings.location,
        "BIGQUERY_KEYFILE": str(settings.keyfile or ""),
        "BIGQUERY_API_ENDPOINT": settings.api_endpoint or "",
        "BIGQUERY_MAXIMUM_GIB_BILLED": str(settings.maximum_gib_billed),
        "BIGQUERY_RETRY_S": str(settings.retry_s),
        "BIGQUERY_TIMEOUT_S": str(settings.timeout_s),
    }


def variables() -> str:
    """The `--vars` of every dbt command, as JSON."""
    settings = load_settings()
    return json.dumps(
        {"start_date": settings.start_date.isoformat(), "reporting_time_zone": settings.reporting_time_zone}
    )


def _target_path() -> Path:
    """Each warehouse keeps its own parse."""
    return Path("target", *(["bigquery"] if load_settings().warehouse == "bigquery" else []))


@cache
def project() -> DbtProject:
    """The project with a manifest no older than its files."""
    target = load_settings().warehouse
    found = DbtProject(project_dir=DBT_DIR, profiles_dir=DBT_DIR, target=target, target_path=_target_path())
    manifest = Path(found.manifest_path)
    if _is_stale(manifest):
        manifest.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(manifest.with_name("parse.lock")):  # two parses at once leave a manifest of both
            if _is_stale(manifest):
                _parse(manifest)
    return found


def _is_stale(manifest: Path) -> bool:
    return not manifest.exists() or manifest.stat().st_mtime < _newest_change() or _of_other_place(manifest)


def _parse(manifest: Path) -> None:
    load_settings().database.parent.mkdir(parents=True, exist_ok=True)
    with environment(load_settings().start_date):  # any day will do: nothing is built
        parse = command_line().cli(["parse", "--quiet", "--vars", variables()], target_path=manifest.parent)
    parse.wait()


def _of_other_place(manifest: Path) -> bool:
    """Whether it names tables of another project or prefix."""
    settings = load_settings()
    if settings.warehouse != "bigquery":
        return False
    source = next(iter(json.loads(manifest.read_text(encoding="utf-8"))["sources"].values()))
    place = settings.bigquery.project, f"{settings.bigquery.dataset_prefix}{source['source_name']}"
    return (source["database"], source["schema"]) != place


@cache
def manifest() -> dict[str, Any]:
    """The parsed manifest."""
    content: dict[str, Any] = json.loads(Path(project().manifest_path).read_text(encoding="utf-8"))
    return content


def _newest_change() -> float:
    files = (p for p in DBT_DIR.rglob("*") if p.is_file() and not UNTRACKED & set(p.relative_to(DBT_DIR).parts))
    return max(p.stat().st_mtime for p in files)


@cache
def partitioned_ancestors(relation: str, grain: Grain) -> tuple[dg.AssetKey, ...]:
    """Asset keys of the declared tables of `grain` that feed a dbt model (`fct_x`) or are it (`core.x`)."""
    nodes = manifest()
    if "." in relation:
        schema, name = relation.split(".")
        start = f"source.dreamclass.{schema}.{name}"
    else:
        start = f"model.dreamclass.{relation}"
    found, todo = set(), [start]
    seen: set[str] = set()
    while todo:
        node = todo.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.startswith("source."):
            source = nodes["sources"][node]
            table = catalog.tables().get(f"{source['source_name']}.{source['name']}")
            if table and table.grain is grain:
                found.add(dg.AssetKey([table.schema, table.name]))
        todo += nodes["parent_map"].get(node, [])
    return tuple(sorted(found))
