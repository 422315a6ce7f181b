"""What the doctor writes down of any look at BigQuery: the knock, the refusals, missing grants, wide credentials."""

import time
from collections.abc import Collection, Iterable, Sequence

from dreamclass_intel.doctor.checkup import Checkup
from dreamclass_intel.doctor.report import Aspect
from dreamclass_intel.warehouse.bigquery_access import RUN, Door, Identity, dataset_role, identity, project_roles
from dreamclass_intel.warehouse.bigquery_refusals import Refused

LACKS = "lacks a grant"


def knock(checkup: Checkup, door: Door) -> tuple[Identity, bool]:
    """A free dry run: who asks, and whether they may run jobs. Raises Refused for anything but a missing grant."""
    credentials = door.client._credentials
    started = time.monotonic()
    try:
        job = door.dry_run("SELECT 1")
    except Refused as refusal:
        if refusal.aspect is not Aspect.REACHABLE:
            checkup.reached(started)
        if RUN not in refusal.permissions:
            raise
        return identity(credentials), False
    checkup.reached(started)
    return identity(credentials, job.user_email), True


def told(checkup: Checkup, refusal: Refused, check: str) -> None:
    """Write a refusal down; `check` is what to look at when nobody answered."""
    if refusal.aspect is Aspect.REACHABLE:
        checkup.problem(Aspect.REACHABLE, refusal.shown, f"BigQuery: {refusal.words}; check {check}")
        return
    checkup.problem(refusal.aspect, refusal.shown, refusal.words)


def credentials_of(checkup: Checkup, who: Identity, wide: Iterable[str], where: str, least: str) -> None:
    """Whose credentials they are, and what they may do that no loader needs."""
    extra = sorted(wide)
    if extra:
        words = f"{who.name} may also {', '.join(extra)} {where}: give it {least}, no more"
        checkup.warn(Aspect.CREDENTIALS, "too wide", words)
    if who.person:
        checkup.warn(
            Aspect.CREDENTIALS,
            "a person's",
            f"{who.name} is a person's own login, with all that person's rights, and ends with them: make a service "
            f"account with {least}",
        )
    if not extra and not who.person:
        checkup.ok(Aspect.CREDENTIALS, who.name, who.kind)


def lacks_on_project(
    checkup: Checkup, who: Identity, project: str, missing: Collection[str], instead: str = ""
) -> None:
    """Name what is missing on the project and the roles to give."""
    if missing:
        roles = " and ".join(project_roles(missing))
        words = f"{who.name} lacks {_listed(missing)}: give it {roles} on the project {project}{instead}"
        checkup.problem(Aspect.PERMITTED, LACKS, words)


def lacks_on_datasets(
    checkup: Checkup, who: Identity, names: Sequence[str], missing: Collection[str], needed: str, *, unseen: bool
) -> None:
    """Name what is missing on data sets, the least role that holds it, and the `needed` one where that is not enough.
    `unseen`: BigQuery did not say whether they are there."""
    if not missing:
        return
    least = dataset_role(missing)
    advice = f"give it {least}" if least == needed else f"{least} holds it; loads need {needed}"
    words = f"{who.name} lacks {_listed(missing)} on {', '.join(names)}"
    unsure = " (or there is no such data set)" if unseen else ""
    checkup.problem(Aspect.PERMITTED, LACKS, f"{words}{unsure}: {advice}{' on each' if len(names) > 1 else ''}")


def _listed(permissions: Iterable[str]) -> str:
    return ", ".join(sorted(permissions))
