"""Every declared table, found in the `tables.py` of each folder under `defs/`."""

import importlib
import pkgutil
from functools import cache

import dreamclass_intel.defs
from dreamclass_intel.contracts import QUARANTINE, ContractError, Table


@cache
def tables() -> dict[str, Table]:
    """Tables by `schema.name`. Raises ContractError for an address declared twice."""
    found: dict[str, Table] = {QUARANTINE.address: QUARANTINE}
    for package in pkgutil.iter_modules(dreamclass_intel.defs.__path__, "dreamclass_intel.defs."):
        if not package.ispkg:
            continue
        names = [m.name for m in pkgutil.iter_modules([f"{package.module_finder.path}/{package.name.rsplit('.')[-1]}"])]  # type: ignore[union-attr]
        if "tables" not in names:
            continue
        for table in importlib.import_module(f"{package.name}.tables").TABLES:
            if table.address in found:
                raise ContractError(f"{table.address} is declared twice")
            found[table.address] = table
    return found


def table(address: str) -> Table:
    """One table by `schema.name`."""
    return tables()[address]
