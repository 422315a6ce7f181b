"""`store`: an empty warehouse, once DuckDB and once BigQuery (an emulator over loopback)."""

import itertools
from pathlib import Path

import pytest

from dreamclass_intel_tests.contract.stores import Place, Store

_numbers = itertools.count()


def place_of(kind: str, folder: Path, request: pytest.FixtureRequest) -> Place:
    """An empty store's place; on BigQuery data sets of its own."""
    if kind == "duckdb":
        return Place(kind, folder)
    return Place(kind, folder, f"t{next(_numbers)}_", request.getfixturevalue("bigquery_endpoint"))


@pytest.fixture(params=["duckdb", "bigquery"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where `store` is."""
    return place_of(request.param, tmp_path, request)


@pytest.fixture
def store(place: Place) -> Store:
    """An empty warehouse."""
    return place.open()


@pytest.fixture
def both(request: pytest.FixtureRequest, tmp_path: Path) -> list[Store]:
    """An empty warehouse of each kind."""
    return [place_of(kind, tmp_path / kind, request).open() for kind in ("duckdb", "bigquery")]
