"""The code location: everything under `defs/` plus resources from settings. Nothing else assembles.

Loads without any environment variable, network or warehouse.
"""

import importlib
import pkgutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg

import dreamclass_intel.defs
from dreamclass_intel.clock import Clock
from dreamclass_intel.settings import load_settings
from dreamclass_intel.warehouse.io_manager import WarehouseIOManager, WarehouseResource


def resources() -> dict[str, Any]:
    """The shared resources, and what each source folder's `client.py` offers as RESOURCES."""
    warehouse = WarehouseResource()
    found: dict[str, Any] = {
        "clock": Clock(),
        "warehouse": warehouse,
        "warehouse_io": WarehouseIOManager(warehouse=warehouse),
    }
    for package in pkgutil.iter_modules(dreamclass_intel.defs.__path__, "dreamclass_intel.defs."):
        if (
            package.ispkg
            and (Path(dreamclass_intel.defs.__path__[0]) / package.name.rsplit(".")[-1] / "client.py").exists()
        ):
            found |= importlib.import_module(f"{package.name}.client").RESOURCES
    return found


def build_defs(overrides: Mapping[str, Any] | None = None) -> dg.Definitions:
    """All definitions; `overrides` replaces resources by key (tests)."""
    load_settings().check()
    loaded = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    return dg.Definitions.merge(
        loaded,
        dg.Definitions(resources={**resources(), **(overrides or {})}, executor=dg.in_process_executor),
    )


@dg.definitions
def defs() -> dg.Definitions:
    """What `dagster` and `dg` load."""
    return build_defs()
