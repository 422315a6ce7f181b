"""Which days of `int_session_days` are to be built: those whose events are not the ones it was built from.

Asked of the tables, not of the run: a day may have been loaded by a run without models, or by one that failed later.
"""

import datetime as dt
import hashlib
from functools import cache

from dreamclass_intel.defs.dbt.project import manifest
from dreamclass_intel.defs.ga4.tables import EVENTS
from dreamclass_intel.warehouse.protocol import Warehouse

SESSION_DAYS = "intermediate.int_session_days"


@cache
def built_by() -> str:
    """A hash of all that makes the model's rows: its text, the models it reads, and the macros of them all."""
    nodes, macros = manifest()["nodes"], manifest()["macros"]
    texts, waiting = dict[str, str](), [f"model.dreamclass.{SESSION_DAYS.split('.')[1]}"]
    while waiting:
        name = waiting.pop()
        found = nodes.get(name) or macros.get(name)
        if name in texts or found is None:  # a source
            continue
        texts[name] = found.get("raw_code") or found.get("macro_sql") or ""
        waiting += [*found["depends_on"].get("nodes", ()), *found["depends_on"].get("macros", ())]
    return hashlib.sha256("".join(f"{name}\n{text}\n" for name, text in sorted(texts.items())).encode()).hexdigest()


def changed_days(warehouse: Warehouse) -> set[dt.date] | None:
    """The days to build, one at least; None for all: the model is new, its text is, or most days have changed.

    A load stamps all rows of a day with one `_loaded_at`; an emptied day has none.
    """
    if not warehouse.exists(SESSION_DAYS):
        return None
    built, makers = dict[dt.date, dt.datetime](), set[str]()
    for row in warehouse.read(
        "SELECT event_date, built_by, MAX(loaded_at) AS loaded_at "
        f"FROM {warehouse.name(SESSION_DAYS)} GROUP BY event_date, built_by"
    ).to_pylist():
        built[row["event_date"]] = row["loaded_at"]
        makers.add(row["built_by"])
    if makers != {built_by()}:
        return None
    loaded = {
        row["event_date"]: row["loaded_at"]
        for row in warehouse.read(
            f"SELECT event_date, MAX(_loaded_at) AS loaded_at FROM {warehouse.name(EVENTS.address)} GROUP BY event_date"
        ).to_pylist()
    }
    changed = {day for day in {*built, *loaded} if built.get(day) != loaded.get(day)}
    if len(changed) > len(loaded) / 2:
        return None
    return changed or {max(loaded)}  # BigQuery takes no empty list of partitions
