"""Fixtures shared by all tests: settings of a throw-away project, a running sandbox, a warehouse, runs."""

import datetime as dt
import itertools
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from dreamclass_intel.sandbox.servers.server import build_site, running
from dreamclass_intel.sandbox.servers.site import Site
from dreamclass_intel.settings import load_settings
from dreamclass_intel_tests import bigquery_emulator, local_bigquery

REPOSITORY = Path(__file__).resolve().parent.parent
SHARED = REPOSITORY.parent / "shared"
START = dt.date(2024, 1, 1)
NOW = dt.datetime(2024, 4, 8, tzinfo=dt.UTC)  # 14 weeks, 7 closed scoring windows


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The end-to-end tests first: they take longest, mostly waiting, while other workers do the rest."""
    items.sort(key=lambda item: item.get_closest_marker("e2e") is None)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """The end-to-end tests and their daemons keep their pace: the others take what CPU is left."""
    if "PYTEST_XDIST_WORKER" in os.environ and item.get_closest_marker("e2e") is None and os.nice(0) == 0:
        os.nice(10)


@pytest.fixture
def settings_env(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., None]]:
    """Set environment variables for this test and have settings read anew; state lies in tmp_path."""

    def use(**variables: object) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))
        load_settings.cache_clear()

    use(STATE_DIR=tmp_path / "state")
    yield use
    monkeypatch.undo()
    load_settings.cache_clear()


@pytest.fixture(scope="session")
def _site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = build_site(seed=7, scale=0.02, clock_path=tmp_path_factory.mktemp("site") / "clock.json")
    site.clock.initial = NOW  # set() never goes back
    return site


@pytest.fixture(scope="session")
def _sandbox(_site: Site) -> Iterator[str]:
    with running(_site) as url:
        yield url


@pytest.fixture
def site(_site: Site) -> Iterator[Site]:
    """The shared sandbox's site (do not move its clock; build your own for that); faults are cleared after."""
    yield _site
    _site.faults.clear()


@pytest.fixture
def sandbox(_sandbox: str, site: Site, settings_env: Callable[..., None]) -> str:
    """A running sandbox of 14 weeks that this test's settings point to; yields its base URL."""
    settings_env(SANDBOX_URL=_sandbox)
    return _sandbox


@pytest.fixture(scope="session")
def emulator() -> Iterator[bigquery_emulator.Emulator]:
    """A running BigQuery emulator: bqemulator, or local-bigquery where LOCAL_BIGQUERY names its environment."""
    other = os.environ.get("LOCAL_BIGQUERY")
    with local_bigquery.serving(Path(other)) if other else bigquery_emulator.serving() as served:
        yield served


@pytest.fixture(scope="session")
def bigquery_endpoint(emulator: bigquery_emulator.Emulator) -> str:
    """A running BigQuery emulator's base URL."""
    return emulator.url


_projects = itertools.count()


@pytest.fixture(params=["duckdb", "bigquery"])
def either_warehouse(request: pytest.FixtureRequest, settings_env: Callable[..., None]) -> str:
    """This test runs once on each warehouse, both empty; yields its name."""
    kind: str = request.param
    if kind == "bigquery":
        endpoint = request.getfixturevalue("bigquery_endpoint")
        project = f"project-{next(_projects)}"
        settings_env(WAREHOUSE=kind, BIGQUERY_PROJECT=project, BIGQUERY_API_ENDPOINT=endpoint, BIGQUERY_RETRY_S=5)
    return kind


Materialise = Callable[..., dg.ExecuteInProcessResult]


@pytest.fixture
def materialise(sandbox: str) -> Materialise:
    """`materialise([assets], first_key, last_key)`: one real (ranged) run of real assets over the sandbox."""
    from dreamclass_intel.definitions import resources

    instance = dg.DagsterInstance.ephemeral()

    def run(
        assets: Sequence[Any],
        first: str | None = None,
        last: str | None = None,
        *,
        raise_on_error: bool = True,
    ) -> dg.ExecuteInProcessResult:
        tags = {}
        if first is not None:
            tags = {
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last or first,
            }
        defs = dg.Definitions(
            assets=list(assets), resources=resources(), jobs=[dg.define_asset_job("run", selection="*")]
        )
        job = defs.resolve_job_def("run")
        return job.execute_in_process(instance=instance, tags=tags, raise_on_error=raise_on_error)

    return run


@pytest.fixture
def read(settings_env: Callable[..., None]) -> Callable[..., list[dict[str, Any]]]:
    """Rows of a query against this test's warehouse as dicts."""
    from dreamclass_intel.warehouse.io_manager import WarehouseResource

    def rows(query: str, *parameters: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = WarehouseResource().read(query, parameters).to_pylist()
        return found

    return rows
