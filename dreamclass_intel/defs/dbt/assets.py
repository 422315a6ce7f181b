"""The dbt models as assets and their tests as checks: one `dbt build` per contiguous stretch of models."""

import datetime as dt
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import dagster as dg
from dagster_dbt import DagsterDbtTranslator, DagsterDbtTranslatorSettings, DbtCliResource, dbt_assets
from pydantic import Field

from dreamclass_intel import catalog
from dreamclass_intel.clock import Clock
from dreamclass_intel.defs.automation.due import RANGE_END, loaded_until
from dreamclass_intel.defs.dbt.changed_days import SESSION_DAYS, built_by, changed_days
from dreamclass_intel.defs.dbt.project import environment, manifest, project, variables
from dreamclass_intel.settings import load_settings
from dreamclass_intel.typed_assets import DATA_ENGINEERING, FINANCE, GROWTH
from dreamclass_intel.warehouse.io_manager import WarehouseResource

OWNERS = {"billing": FINANCE, "traffic": GROWTH, "product": GROWTH, "sales": GROWTH, "pipeline": GROWTH}
GROUPS = {"staging": "staging", "intermediate": "intermediate", "marts": "marts", "seeds": "seeds"}


class Translator(DagsterDbtTranslator):
    """Key = [schema, name], like every table; group = layer; sources keep the keys of `sources.yml`."""

    def get_asset_spec(self, manifest: Mapping[str, Any], unique_id: str, project: Any) -> dg.AssetSpec:
        """Spec of one dbt node."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        node = manifest["nodes"].get(unique_id)
        if node is None:
            return spec
        layer, area = node["fqn"][1], node["fqn"][2] if len(node["fqn"]) > 3 else ""
        if node["resource_type"] == "seed":
            layer = "seeds"
        return spec.replace_attributes(
            key=dg.AssetKey([node["config"]["schema"], node["name"]]),  # without the data sets' prefix
            group_name=GROUPS.get(layer, layer),
            owners=[OWNERS.get(area, DATA_ENGINEERING)],
            kinds={"dbt", load_settings().warehouse},
            tags={"layer": layer},
        )

    def get_partition_mapping(
        self, dbt_resource_props: Mapping[str, Any], dbt_parent_resource_props: Mapping[str, Any]
    ) -> dg.PartitionMapping | None:
        """Models are unpartitioned and read whole tables; said explicitly for partitioned sources."""
        if dbt_parent_resource_props["resource_type"] == "source":
            return dg.AllPartitionMapping()
        return None


def _as_of(context: dg.AssetExecutionContext, clock: Clock) -> dt.date:
    """The newest day that is loaded: a job that loads no days (a scoring window's) must not take a missing day for
    an empty one. On an instance that never ran `daily`, the newest day every vendor has published."""
    ready = clock.newest_ready_day()
    loading = context.run.tags.get(RANGE_END) if context.run.job_name == "daily" else None
    loaded = [day for day in (loading and dt.date.fromisoformat(loading), loaded_until(context.instance)) if day]
    return min(ready, max(loaded)) if loaded else ready


class DbtConfig(dg.Config):
    """How to build."""

    full_refresh: bool = Field(False, description="Build every day of the incremental models anew")


@dbt_assets(
    manifest=manifest(),
    project=project(),
    name="dbt",
    dagster_dbt_translator=Translator(settings=DagsterDbtTranslatorSettings(enable_source_tests_as_checks=True)),
    pool="warehouse",
)
def dbt(
    context: dg.AssetExecutionContext,
    config: DbtConfig,
    dbt_cli: DbtCliResource,
    clock: Clock,
    warehouse: WarehouseResource,
) -> Iterator[Any]:
    """Builds the selected models as of the newest day that every vendor has published."""
    backend = warehouse.backend()
    backend.ensure(list(catalog.tables().values()))  # a source never loaded is an empty table
    changed = None
    if dg.AssetKey(SESSION_DAYS.split(".")) in context.selected_asset_keys and not config.full_refresh:
        changed = changed_days(backend)
        context.log.info(f"Days of sessions to build: {_spoken(changed)}.")
    # Unit tests test SQL on fixtures, not data: they are the test suite's.
    command = ["build", "--exclude-resource-type", "unit_test", "--vars", variables()]
    with environment(_as_of(context, clock), changed, built_by()):
        build = dbt_cli.cli(command, context=context)
    yield from build.stream()


def _spoken(changed: Collection[dt.date] | None) -> str:
    return "all" if changed is None else f"{len(changed)}, from {min(changed)} to {max(changed)}"
