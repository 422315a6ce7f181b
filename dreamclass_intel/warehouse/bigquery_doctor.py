"""The doctor's look at BigQuery: reached as whom, the data sets and their place, missing grants, grants too many."""

from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field

from dreamclass_intel import catalog
from dreamclass_intel.doctor.checkup import Checkup, Stop
from dreamclass_intel.doctor.report import Aspect
from dreamclass_intel.settings import BigQuerySettings, load_settings, variable
from dreamclass_intel.warehouse.bigquery_access import (
    DATASET_ROLES,
    MAKE_DATASETS,
    READ_SESSIONS,
    RUN,
    TOO_WIDE,
    Door,
    Identity,
)
from dreamclass_intel.warehouse.bigquery_findings import (
    credentials_of,
    knock,
    lacks_on_datasets,
    lacks_on_project,
    told,
)
from dreamclass_intel.warehouse.bigquery_jobs import connect
from dreamclass_intel.warehouse.bigquery_refusals import Refused

MODELS = ("staging", "intermediate", "marts")  # dbt's schemas (a test compares them with its project)
EDITOR = "roles/bigquery.dataEditor"
NEEDED = DATASET_ROLES[EDITOR]
LEAST = "roles/bigquery.jobUser on the project, roles/bigquery.dataEditor on the data sets"  # as in .env.example


@dataclass
class _Dataset:
    """What was found of one data set. `missing`: permissions on it."""

    name: str
    location: str | None = None  # none: there is no such data set
    missing: set[str] = field(default_factory=set)


def probe(checkup: Checkup) -> None:
    """Have a query checked that costs nothing, look at the data sets, then ask what the identity may do."""
    settings = load_settings().bigquery
    checkup.variables_set = tuple(variable(BigQuerySettings, f) for f in BigQuerySettings.model_fields if
                                  f in settings.model_fields_set)  # fmt: skip
    if not settings.project:
        checkup.variables_missing = ("BIGQUERY_PROJECT",)
        checkup.problem(Aspect.CONFIGURED, "no project", "WAREHOUSE=bigquery needs BIGQUERY_PROJECT")
        raise Stop
    _cost_guard(checkup, settings)
    try:
        door = Door(lambda: connect(settings))
        who, may_run = knock(checkup, door)
        _described(checkup, settings, who)
        if settings.emulated:
            for aspect in (Aspect.PERMITTED, Aspect.CREDENTIALS):
                checkup.unknown(aspect, f"{settings.api_endpoint} is an emulator, which knows no grants")
            _places(checkup, settings, _datasets(door, settings, ask_grants=False))
            return
        _grants(checkup, door, settings, who, may_run)
    except Refused as refusal:
        told(checkup, refusal, "BIGQUERY_PROJECT, BIGQUERY_API_ENDPOINT and the network")


def _cost_guard(checkup: Checkup, settings: BigQuerySettings) -> None:
    if settings.maximum_gib_billed:
        checkup.ok(Aspect.QUOTA, f"{settings.maximum_gib_billed:g} GiB a query")
    else:
        checkup.warn(
            Aspect.QUOTA,
            "no cost limit",
            "BIGQUERY_MAXIMUM_GIB_BILLED=0: one wrong query may read, and cost, everything; 100 is the default",
        )


def _described(checkup: Checkup, settings: BigQuerySettings, who: Identity) -> None:
    prefix = f"data sets {settings.dataset_prefix}…" if settings.dataset_prefix else "data sets without a prefix"
    checkup.ok(Aspect.CONFIGURED, f"{settings.project} {settings.location}", f"{prefix}, as {who.name} ({who.kind})")


def _names(settings: BigQuerySettings) -> list[str]:
    schemas = dict.fromkeys([*(t.schema for t in catalog.tables().values()), *MODELS])
    return [f"{settings.dataset_prefix}{schema}" for schema in schemas]


def _grants(checkup: Checkup, door: Door, settings: BigQuerySettings, who: Identity, may_run: bool) -> None:
    held = _held_on_project(checkup, door)
    inherited = held is not None and held >= NEEDED
    found = _datasets(door, settings, ask_grants=not inherited, may_run=may_run)
    _places(checkup, settings, found)
    absent = [dataset.name for dataset in found if dataset.location is None and not dataset.missing]
    lacking = _missing_on_project(door, settings, held, absent) | (set() if may_run else {RUN})
    instead = f", or make {', '.join(absent)} in {settings.location} and give it {EDITOR} on each"
    lacks_on_project(checkup, who, door.project, lacking, instead if MAKE_DATASETS in lacking else "")
    alike = defaultdict[frozenset[str], list[_Dataset]](list)
    for dataset in found:
        alike[frozenset(dataset.missing)].append(dataset)
    for missing, datasets in alike.items():
        unseen = all(dataset.location is None for dataset in datasets)
        lacks_on_datasets(checkup, who, [dataset.name for dataset in datasets], missing, EDITOR, unseen=unseen)
    if not lacking and not any(alike):
        checkup.ok(Aspect.PERMITTED)
    if held is not None:
        # Until the data sets are there, the right to fill them can only be the project's.
        filling = set() if absent else {"bigquery.tables.updateData"}
        credentials_of(checkup, who, held & {*TOO_WIDE, *filling}, "on the whole project", LEAST)


def _missing_on_project(
    door: Door, settings: BigQuerySettings, held: frozenset[str] | None, absent: list[str]
) -> set[str]:
    if held is None:
        try:
            if absent:
                door.may_make_dataset(absent[0])
        except Refused as refusal:
            return {*refusal.permissions} & {MAKE_DATASETS}
        return set()
    needed = ({READ_SESSIONS} if settings.storage_api else set()) | ({MAKE_DATASETS} if absent else set())
    return needed - held


def _held_on_project(checkup: Checkup, door: Door) -> frozenset[str] | None:
    """What the identity may do everywhere; None where nobody tells."""
    try:
        return door.held_on_project([RUN, MAKE_DATASETS, READ_SESSIONS, *sorted(NEEDED), *TOO_WIDE])
    except Refused as refusal:
        checkup.unknown(
            Aspect.CREDENTIALS,
            f"what the identity may do on the whole project cannot be asked: {refusal.words}",
        )
        return None


def _datasets(door: Door, settings: BigQuerySettings, *, ask_grants: bool, may_run: bool = True) -> list[_Dataset]:
    """All data sets, asked about at once: there is little time. Raises Refused for anything but a missing grant."""

    def look(name: str) -> _Dataset:
        found = _Dataset(name)
        try:
            stored = door.dataset(name)
        except Refused as refusal:
            return _lacking(found, refusal)
        if stored is None:
            return found
        found.location = str(stored.location)
        if ask_grants:
            _ask_grants(door, found, may_run)
        return found

    names = _names(settings)
    with ThreadPoolExecutor(len(names), thread_name_prefix="doctor-bigquery") as pool:
        # Each in a copy of the context: the glance's limits hold there, too.
        asked = [pool.submit(copy_context().run, look, name) for name in names]
        return [each.result() for each in asked]


def _ask_grants(door: Door, found: _Dataset, may_run: bool) -> None:
    """BigQuery tells of a table's permissions, not of a data set's: any table will do, they are inherited."""
    try:
        table = door.any_table(found.name)
        if table:
            tested = NEEDED - {"bigquery.tables.create", "bigquery.tables.list", "bigquery.datasets.get"}
            found.missing |= tested - door.held_on_table(found.name, table, sorted(tested))
    except Refused as refusal:
        _lacking(found, refusal)
    if may_run:
        try:
            door.may_make_tables(found.name)
        except Refused as refusal:
            _lacking(found, refusal)


def _lacking(found: _Dataset, refusal: Refused) -> _Dataset:
    if not refusal.permissions:
        raise refusal
    found.missing |= refusal.permissions
    return found


def _places(checkup: Checkup, settings: BigQuerySettings, found: Iterable[_Dataset]) -> None:
    elsewhere = [d for d in found if d.location and d.location.upper() != settings.location.upper()]
    if elsewhere:
        listed = ", ".join(f"{d.name} in {d.location}" for d in elsewhere)
        checkup.problem(
            Aspect.CONFIGURED,
            "location",
            f"BIGQUERY_LOCATION is {settings.location}, but there is {listed}: a job in one place cannot see another's "
            "tables, and data sets do not move; set the variable right, or name another BIGQUERY_DATASET_PREFIX",
        )
