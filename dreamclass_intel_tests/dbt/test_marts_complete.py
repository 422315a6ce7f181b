"""Every mart is contracted, keyed, described and unit-tested; every staging model is keyed and described. 100 %."""

from collections import defaultdict
from typing import Any

import pytest

from dreamclass_intel import catalog

# Pure passing-on of what other models computed and tested would be named here; there is none.
COMPUTES_NOTHING: frozenset[str] = frozenset()


def models(manifest: dict[str, Any], layer: str) -> dict[str, dict[str, Any]]:
    found = {
        key: node
        for key, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["fqn"][1] == layer
    }
    assert found
    return found


def attached_tests(manifest: dict[str, Any]) -> dict[str, list[tuple[str, str | None]]]:
    found = defaultdict(list)
    for node in manifest["nodes"].values():
        if node["resource_type"] == "test" and node.get("attached_node"):
            name = node["test_metadata"]["name"]
            found[node["attached_node"]].append((name, node.get("column_name")))
    return found


def missing(done: dict[str, bool]) -> list[str]:
    return sorted(name for name, is_done in done.items() if not is_done)


def test_marts_have_enforced_contracts(manifest: dict[str, Any]) -> None:
    marts = models(manifest, "marts")
    assert not missing({k: n["contract"]["enforced"] for k, n in marts.items()})
    assert not missing(
        {f"{k}.{c['name']}": bool(c["data_type"]) for k, n in marts.items() for c in n["columns"].values()}
    )


@pytest.mark.parametrize("layer", ["marts", "staging", "intermediate"])
def test_every_model_and_column_is_described(manifest: dict[str, Any], layer: str) -> None:
    found = models(manifest, layer)
    assert not missing({k: bool(n["description"].strip()) for k, n in found.items()})
    assert not missing({k: bool(n["columns"]) for k, n in found.items()})
    assert not missing(
        {f"{k}.{c['name']}": bool(c["description"].strip()) for k, n in found.items() for c in n["columns"].values()}
    )


@pytest.mark.parametrize("layer", ["marts", "staging"])
def test_every_model_has_a_key_test(manifest: dict[str, Any], layer: str) -> None:
    tests = attached_tests(manifest)

    def keyed(key: str) -> bool:
        names = {name for name, _ in tests[key]}
        by_column = {c for n, c in tests[key] if n == "unique"} & {c for n, c in tests[key] if n == "not_null"}
        return "unique_combination" in names or bool(by_column)

    assert not missing({k: keyed(k) for k in models(manifest, layer)})


def test_every_mart_has_a_unit_test(manifest: dict[str, Any]) -> None:
    tested = {unit["depends_on"]["nodes"][0] for unit in manifest["unit_tests"].values()}
    marts = models(manifest, "marts")
    assert not missing({k: k in tested or n["name"] in COMPUTES_NOTHING for k, n in marts.items()})


def test_number_columns_state_their_unit(manifest: dict[str, Any]) -> None:
    numbers = ("int64", "numeric", "double", "float64")
    assert not missing(
        {
            f"{k}.{c['name']}": c["description"].strip().endswith("]")
            for k, n in models(manifest, "marts").items()
            for c in n["columns"].values()
            if c["data_type"].startswith(numbers) and n["name"] != "metric_series"  # its unit is the metric's
        }
    )


def test_every_raw_table_is_staged(manifest: dict[str, Any]) -> None:
    staged = {parent for node in models(manifest, "staging").values() for parent in node["depends_on"]["nodes"]}
    wanted = {f"source.dreamclass.raw.{t.name}" for t in catalog.tables().values() if t.schema == "raw"}
    assert wanted <= staged
    # Marts and intermediates read staging; raw tables are counted as such by one model alone.
    direct = {
        node["name"]
        for layer in ("intermediate", "marts")
        for node in models(manifest, layer).values()
        if any(parent.startswith("source.dreamclass.raw.") for parent in node["depends_on"]["nodes"])
    }
    assert direct == {"int_source_partitions"}


def test_sources_keep_their_asset_keys(manifest: dict[str, Any]) -> None:
    keys = {tuple(source["config"]["meta"]["dagster"]["asset_key"]) for source in manifest["sources"].values()}
    assert keys == {(table.schema, table.name) for table in catalog.tables().values()}
