"""The code location as a whole: it loads anywhere, everything is described, every edge and check is sound."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from dreamclass_intel.contracts import Grain
from dreamclass_intel.definitions import build_defs
from dreamclass_intel.defs.metrics.registry import metrics
from dreamclass_intel.defs.xmr.rules import checks_of
from dreamclass_intel.partitions import DAILY, DEFINITIONS, SCORING_WINDOWS
from dreamclass_intel.settings import SOURCES
from dreamclass_intel_tests.conftest import REPOSITORY

PACKAGE = REPOSITORY / "dreamclass_intel"


@pytest.fixture(scope="module")
def repository() -> dg.RepositoryDefinition:
    return build_defs().get_repository_def()


@pytest.fixture(scope="module")
def specs(repository: dg.RepositoryDefinition) -> dict[dg.AssetKey, dg.AssetSpec]:
    return {
        spec.key: spec
        for definition in repository.assets_defs_by_key.values()
        if definition.is_executable
        for spec in definition.specs
    }


def test_definitions_load_with_no_environment_and_touch_nothing(tmp_path: Path) -> None:
    code = (
        "import socket\n"
        "socket.socket.connect = lambda *a: (_ for _ in ()).throw(AssertionError('network at load'))\n"
        "from dreamclass_intel.definitions import build_defs\n"
        "print(len(build_defs().get_repository_def().asset_graph.materializable_asset_keys))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 80
    assert not list(tmp_path.rglob("*.duckdb"))


def test_every_asset_says_what_it_is(specs: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    for key, spec in specs.items():
        name = key.to_user_string()
        assert len(key.path) == 2, name
        assert spec.description, name
        assert spec.group_name not in (None, "default"), name
        assert spec.owners, name
        assert spec.kinds, name
        schema = spec.metadata.get("dagster/column_schema")
        columns = getattr(schema, "schema", schema)
        assert columns is not None, f"{name} shows no columns"
        assert all(c.description for c in columns.columns), name


def test_edges_between_different_partitions_are_explicit(specs: dict[dg.AssetKey, dg.AssetSpec]) -> None:
    silent = [
        f"{key.to_user_string()} <- {dep.asset_key.to_user_string()}"
        for key, spec in specs.items()
        for dep in spec.deps
        if (parent := specs.get(dep.asset_key)) is not None
        and parent.partitions_def is not None
        and spec.partitions_def != parent.partitions_def
        and dep.partition_mapping is None
    ]
    assert silent == []


def test_partitioned_assets_below_unpartitioned_ones_know_their_partitioned_ancestors(
    specs: dict[dg.AssetKey, dg.AssetSpec],
) -> None:
    for key, spec in specs.items():
        parents = [specs[d.asset_key] for d in spec.deps if d.asset_key in specs]
        if spec.partitions_def is not None and any(p.partitions_def is None for p in parents):
            assert any(p.partitions_def is not None for p in parents), key.to_user_string()


def test_every_metric_is_an_asset_with_a_partitioned_check_a_rule(repository: dg.RepositoryDefinition) -> None:
    graph = repository.asset_graph
    for metric in metrics():
        key = dg.AssetKey(["xmr", metric.id])
        for rule in checks_of(metric):
            check = graph.get(dg.AssetCheckKey(key, rule))
            assert check.partitions_def == graph.get(key).partitions_def == DEFINITIONS[metric.table_grain]
            assert not check.blocking


def test_contract_checks_are_unpartitioned_and_blocking(repository: dg.RepositoryDefinition) -> None:
    graph = repository.asset_graph
    stored = [k for k in graph.materializable_asset_keys if k.path[0] in ("raw", "core")]
    assert len(stored) > 30
    for key in stored:
        check = graph.get(dg.AssetCheckKey(key, "contract"))
        assert check.partitions_def is None, key
        assert check.blocking, key


def test_no_job_mixes_days_and_windows(repository: dg.RepositoryDefinition) -> None:
    graph = repository.asset_graph
    for name in ("daily", "weekly", "score_window", "score_window_tables", "score_window_charts"):
        job = repository.get_job(name)
        found = {graph.get(k).partitions_def for k in job.asset_layer.executable_asset_keys} - {None}
        assert len(found) == 1, name


def test_the_daily_job_reaches_everything_but_windows_and_charts(repository: dg.RepositoryDefinition) -> None:
    graph = repository.asset_graph
    reached = set().union(
        *(repository.get_job(n).asset_layer.executable_asset_keys for n in ("daily", "weekly", "score_window"))
    )
    assert reached == graph.materializable_asset_keys


def test_lineage_is_unbroken_from_every_source_to_the_charts(repository: dg.RepositoryDefinition) -> None:
    graph = repository.asset_graph
    above = set()
    todo = [dg.AssetKey(["xmr", m.id]) for m in metrics()]
    while todo:
        key = todo.pop()
        if key not in above:
            above.add(key)
            todo += list(graph.get(key).parent_keys)
    sources = {graph.get(k).group_name for k in above if k.path[0] == "raw"}
    assert {"ga4", "backend", "stripe", "crm", "lead_scoring"} <= sources


def test_grains_map_to_partitions() -> None:
    assert DEFINITIONS[Grain.DAILY] is DAILY
    assert DEFINITIONS[Grain.SCORING_WINDOW] is SCORING_WINDOWS


def _imports(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    return names | {n.module for n in ast.walk(tree) if isinstance(n, ast.ImportFrom) and n.module}


@pytest.mark.parametrize("folder", ["xmr", "identity", "statistics"])
def test_pure_parts_know_neither_dagster_nor_a_warehouse(folder: str) -> None:
    for path in (PACKAGE / folder).rglob("*.py"):
        for name in _imports(path):
            assert not name.startswith(("dagster", "duckdb", "dreamclass_intel.warehouse", "dreamclass_intel.defs")), (
                f"{path} imports {name}"
            )


def test_nothing_but_the_sandbox_and_the_command_line_imports_the_sandbox() -> None:
    for path in PACKAGE.rglob("*.py"):
        inside = path.relative_to(PACKAGE).parts[0]
        if inside not in ("sandbox", "cli.py"):
            assert not any(n.startswith("dreamclass_intel.sandbox") for n in _imports(path)), path


def test_a_source_folder_knows_no_other_source() -> None:
    for source in SOURCES:
        for path in (PACKAGE / "defs" / source).rglob("*.py"):
            for other in set(SOURCES) - {source}:
                assert not any(n.startswith(f"dreamclass_intel.defs.{other}") for n in _imports(path)), path
