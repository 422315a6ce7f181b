"""What Google's refusals mean, in words a person can act on: a grant, a quota, billing, an API that is off, a key."""

import re
from collections.abc import Iterable

import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError, RefreshError, TransportError

from dreamclass_intel.doctor.report import Aspect

PERMISSION = re.compile(r"\bbigquery\.(?!googleapis)[a-zA-Z]+\.[a-zA-Z]+\b")
NO_QUERY = "permission to query table"  # BigQuery's words for the one permission that it does not name
QUOTAS = {"quotaExceeded", "usageQuotaExceeded", "RESOURCE_EXHAUSTED"}
RATES = {"rateLimitExceeded", "userRateLimitExceeded", "RATE_LIMIT_EXCEEDED"}
DISABLED = {"accessNotConfigured", "SERVICE_DISABLED"}
UNBILLED = {"billingNotEnabled", "BILLING_DISABLED"}
LONGEST = 300  # characters of Google's own words


class Refused(Exception):  # noqa: N818 (an answer, not an error of ours)
    """Google said no, or nothing. `permissions` are those it says are missing; else `words` say it all."""

    def __init__(self, aspect: Aspect, shown: str, words: str, permissions: Iterable[str] = ()) -> None:
        super().__init__(words)
        self.aspect, self.shown, self.words, self.permissions = aspect, shown, words, frozenset(permissions)


def refused(error: Exception, project: str) -> Refused:
    """Read an error of Google's clients. `project`: the one that pays."""
    if isinstance(error, GoogleAPICallError):
        return _call(error, project)
    if isinstance(error, TransportError) or not isinstance(error, GoogleAuthError):
        if isinstance(error, requests.exceptions.JSONDecodeError):
            return Refused(Aspect.REACHABLE, "not its API", "the answer is not BigQuery's: a proxy on the way?")
        if "Project was not passed" in str(error):
            return Refused(Aspect.CONFIGURED, "no project", "no project is named, and the credentials name none")
        return Refused(Aspect.REACHABLE, "no", f"no answer ({type(error).__name__})")
    return _credentials(error)


def _call(error: GoogleAPICallError, project: str) -> Refused:
    reasons = {str(e.get("reason")) for e in error.errors if isinstance(e, dict)} | {str(error.reason)}
    words = _words(error)
    if reasons & DISABLED or "has not enabled BigQuery" in words:
        return Refused(Aspect.CONFIGURED, "API off", _enable(words, project))
    if reasons & UNBILLED or "Billing has not been enabled" in words:
        return Refused(
            Aspect.CONFIGURED,
            "no billing",
            f"project {project} has no billing account: gcloud billing projects link {project} "
            f"--billing-account=ACCOUNT (BigQuery: {words})",
        )
    if "Custom quota exceeded" in words:
        return Refused(
            Aspect.QUOTA,
            "none left",
            f"a quota that your administrator set is used up until midnight Pacific time (BigQuery: {words})",
        )
    if reasons & QUOTAS:
        return Refused(Aspect.QUOTA, "none left", f"a quota of project {project} is used up (BigQuery: {words})")
    if reasons & RATES or error.code == 429:
        return Refused(Aspect.QUOTA, "too many calls", f"BigQuery is asked too often just now: {words}")
    if error.code == 401:
        return Refused(Aspect.PERMITTED, "refused", f"Google refuses the credentials: {words}")
    if error.code == 403:
        named = ["bigquery.tables.getData"] if NO_QUERY in words else PERMISSION.findall(words)
        return Refused(Aspect.PERMITTED, "lacks a grant", words, named)
    if "roject" in words and project in words and error.code in (400, 404):
        return Refused(Aspect.CONFIGURED, "no project", f"there is no project {project} (BigQuery: {words})")
    if "ocation" in words and error.code in (400, 404):
        return Refused(Aspect.CONFIGURED, "location", f"BigQuery has no such location: {words}")
    return Refused(Aspect.REACHABLE, f"HTTP {error.code}", words)


def _words(error: GoogleAPICallError) -> str:
    """Google's own, without the request and the job in them."""
    told = next((e["message"] for e in error.errors if isinstance(e, dict) and e.get("message")), None)
    text = str(told or re.sub(r"^(GET|POST) \S+: ", "", str(error.message)))
    if text.lstrip()[:1] == "<":
        return "a web page, not BigQuery's answer"
    return " ".join(text.split("\n\n")[0].split())[:LONGEST]


def _enable(words: str, project: str) -> str:
    found = re.search(r"apis/api/([\w.-]+)/", words)
    api = found.group(1) if found else "bigquery.googleapis.com"
    return f"{api} is not enabled: gcloud services enable {api} --project {project}, then wait a few minutes"


def _credentials(error: GoogleAuthError) -> Refused:
    text = str(error)
    if isinstance(error, DefaultCredentialsError):
        advice = "set BIGQUERY_KEYFILE or GOOGLE_APPLICATION_CREDENTIALS, or run where a service account is attached"
        return Refused(Aspect.CONFIGURED, "no credentials", f"no Google credentials are to be found: {advice}")
    if isinstance(error, RefreshError) and "short-lived token" in text:
        return Refused(Aspect.CLOCK, "wrong", "Google refuses tokens of this machine's time: set the clock by NTP")
    if isinstance(error, RefreshError) and "Invalid JWT Signature" in text:
        return Refused(Aspect.PERMITTED, "refused", "Google does not know the key any more: make a new one")
    if isinstance(error, RefreshError) and "account not found" in text:
        return Refused(Aspect.PERMITTED, "refused", "the service account is gone: make a new one and its key")
    # Its words may quote what was sent.
    return Refused(Aspect.PERMITTED, "refused", f"Google gives no token for these credentials ({type(error).__name__})")
