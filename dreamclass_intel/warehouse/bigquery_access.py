"""What an identity may do on BigQuery: who it is, which permissions it holds, which role holds a missing one.

For the doctor's looks at the warehouse and at the GA4 export. Only asks: changes nothing, costs nothing. What Google
refuses becomes `Refused`, in words a person can act on.
"""

import uuid
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import requests
from google.api_core.exceptions import GoogleAPICallError, NotFound, from_http_response
from google.auth import (
    compute_engine,
    external_account,
    external_account_authorized_user,
    impersonated_credentials,
)
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import GoogleAuthError
from google.cloud import bigquery
from google.oauth2 import credentials as user
from google.oauth2 import service_account

from dreamclass_intel.glance import note, time_limit
from dreamclass_intel.warehouse.bigquery_jobs import LABELS
from dreamclass_intel.warehouse.bigquery_refusals import refused

T = TypeVar("T")
TIMEOUT_S = 60.0  # for one answer; a glance's is shorter
RESOURCE_MANAGER = "https://cloudresourcemanager.googleapis.com"  # a project's permissions are not BigQuery's to tell

RUN = "bigquery.jobs.create"
MAKE_DATASETS = "bigquery.datasets.create"
READ_SESSIONS = "bigquery.readsessions.create"
MAKE_TABLES = "bigquery.tables.create"
_METADATA = frozenset({"bigquery.datasets.get", "bigquery.tables.get", "bigquery.tables.list"})
_READ = _METADATA | {"bigquery.tables.getData"}
_WRITE = {f"bigquery.tables.{verb}" for verb in ("create", "update", "updateData", "delete")}
# The least first.
DATASET_ROLES: dict[str, frozenset[str]] = {
    "roles/bigquery.metadataViewer": _METADATA,
    "roles/bigquery.dataViewer": _READ,
    "roles/bigquery.dataEditor": _READ | _WRITE,
}
# On the whole project: what an owner's, an editor's or an administrator's role has and no loader needs.
TOO_WIDE = (
    "resourcemanager.projects.setIamPolicy",
    "resourcemanager.projects.delete",
    "iam.serviceAccounts.actAs",
    "iam.serviceAccountKeys.create",
    "bigquery.datasets.delete",
    "bigquery.datasets.setIamPolicy",
)


def project_roles(missing: Collection[str]) -> list[str]:
    """The least roles on a project that hold what is missing there."""
    if MAKE_DATASETS in missing:
        return ["roles/bigquery.user"]  # it runs jobs and read sessions, too
    least = {RUN: "roles/bigquery.jobUser", READ_SESSIONS: "roles/bigquery.readSessionUser"}
    return [role for permission, role in least.items() if permission in missing]


def dataset_role(missing: Collection[str]) -> str:
    """The least role on a data set that holds all that is missing there."""
    wanted = set(missing)
    return next((role for role, held in DATASET_ROLES.items() if wanted <= held), "roles/bigquery.dataOwner")


@dataclass(frozen=True)
class Identity:
    """Whose credentials are used; never what they consist of."""

    kind: str
    email: str = ""
    person: bool = False

    @property
    def name(self) -> str:
        """The e-mail address where it is known."""
        return self.email or self.kind


def identity(credentials: Any, told: str | None = None) -> Identity:
    """Read off the credentials; `told` is the address that BigQuery itself gave."""
    email = str(
        told or getattr(credentials, "service_account_email", None) or getattr(credentials, "account", "") or ""
    )
    email = email if "@" in email else ""  # a machine's own account is "default" until it is asked
    if isinstance(credentials, AnonymousCredentials):
        return Identity("nobody")
    if isinstance(credentials, service_account.Credentials):
        return Identity("service account (key file)", email)
    if isinstance(credentials, impersonated_credentials.Credentials):
        return Identity("service account (impersonated)", email)
    if isinstance(credentials, compute_engine.Credentials | external_account.Credentials):
        return Identity("workload identity", email)
    person = isinstance(credentials, user.Credentials | external_account_authorized_user.Credentials)
    return Identity("a person's own login" if person else "Google credentials", email, person)


class Door:
    """Questions to BigQuery, each one attempt within the glance's time. Every method raises Refused."""

    def __init__(self, open_client: Callable[[], bigquery.Client]) -> None:
        try:
            self.client: bigquery.Client = open_client()
        except (GoogleAuthError, OSError) as error:  # a project may have to be looked for
            raise refused(error, "") from None
        # Its session knows the headers of good answers, too: the clock is in them.
        self.client._http.hooks["response"].append(lambda answer, **_: note(answer.status_code, answer.headers))

    @property
    def project(self) -> str:
        """The project that pays."""
        return str(self.client.project)

    def dry_run(self, sql: str) -> bigquery.QueryJob:
        """Have a query checked, not run: free, and BigQuery looks at the permissions it would need."""
        config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False, labels=LABELS)
        limits: dict[str, Any] = {"retry": None, "job_retry": None, "timeout": time_limit(TIMEOUT_S)}
        return self._told(lambda: self.client.query(sql, job_config=config, **limits))

    def dataset(self, name: str) -> bigquery.Dataset | None:
        """A data set; None where there is none."""

        def ask() -> bigquery.Dataset | None:
            limits: dict[str, Any] = {"retry": None, "timeout": time_limit(TIMEOUT_S)}
            try:
                return self.client.get_dataset(self._dataset(name), **limits)
            except NotFound:
                return None

        return self._told(ask)

    def any_table(self, name: str) -> str | None:
        """The name of a data set's table, any; None for an empty one."""

        def ask() -> str | None:
            limits: dict[str, Any] = {"retry": None, "timeout": time_limit(TIMEOUT_S)}
            found = next(iter(self.client.list_tables(self._dataset(name), max_results=1, **limits)), None)
            return None if found is None else str(found.table_id)

        return self._told(ask)

    def held_on_table(self, dataset: str, table: str, permissions: Iterable[str]) -> frozenset[str]:
        """Which of the permissions the identity has on a table."""
        reference = self._dataset(dataset).table(table)
        limits: dict[str, Any] = {"retry": None, "timeout": time_limit(TIMEOUT_S)}
        answer = self._told(lambda: self.client.test_iam_permissions(reference, list(permissions), **limits))
        return frozenset(answer.get("permissions", []))

    def held_on_project(self, permissions: Iterable[str]) -> frozenset[str]:
        """Which of the permissions the identity has on the whole project; asked of the Cloud Resource Manager."""
        url = f"{RESOURCE_MANAGER}/v1/projects/{self.project}:testIamPermissions"

        def ask() -> frozenset[str]:
            body = {"permissions": list(permissions)}
            answer = self.client._http.post(url, json=body, timeout=time_limit(TIMEOUT_S))
            if answer.status_code != requests.codes.ok:
                raise from_http_response(answer)
            return frozenset(answer.json().get("permissions", []))

        return self._told(ask)

    def may_make_tables(self, dataset: str) -> None:
        """Raises Refused, naming the permission, where tables cannot be made. No table is made."""
        name = f"{self.project}.{dataset}.doctor_{uuid.uuid4().hex[:12]}"
        self.dry_run(f"CREATE TABLE `{name}` (x INT64)")

    def may_make_dataset(self, name: str) -> None:
        """Raises Refused, naming the permission, where data sets cannot be made. None is made."""
        self.dry_run(f"CREATE SCHEMA `{self.project}.{name}`")

    def _dataset(self, name: str) -> bigquery.DatasetReference:
        return bigquery.DatasetReference(self.project, name)

    def _told(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except (GoogleAPICallError, GoogleAuthError, requests.RequestException, OSError) as error:
            raise refused(error, self.project) from None
