"""Plain HTTP to a vendor: one session with retries, Retry-After, time-outs and errors a person can act on.

Sources with an official SDK use that; they share `retrying` so that every source backs off alike.
"""

import datetime as dt
import email.utils
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import requests
import tenacity
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

from dreamclass_intel.glance import glancing, note, time_limit

MAX_ATTEMPTS = 6
MAX_WAIT_S = 60.0
MAX_ASKED_WAIT_S = 600.0  # a vendor that asks for more is asked again by the next run
RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})


class SourceError(RuntimeError):
    """A vendor refused or failed; names source, endpoint and status. `permanent` means retrying is no use."""

    def __init__(
        self,
        source: str,
        endpoint: str,
        problem: str,
        *,
        status: int | None = None,
        wait_s: float | None = None,
    ) -> None:
        shown = f" HTTP {status}" if status else ""
        if wait_s is not None and wait_s > MAX_ASKED_WAIT_S:
            problem = f"{problem}; asks to wait {wait_s:.0f} s"
        super().__init__(f"{source} {endpoint}:{shown} {problem}")
        self.source, self.endpoint, self.status, self.wait_s = source, endpoint, status, wait_s

    @property
    def permanent(self) -> bool:
        """True for anything below 500 other than 408, 425 and 429 (Cloudflare's 52x pass), or too long a wait."""
        if self.wait_s is not None and self.wait_s > MAX_ASKED_WAIT_S:
            return True
        return self.status is not None and self.status < 500 and self.status not in RETRY_STATUSES


def is_transient(error: BaseException) -> bool:
    """What `retrying` retries: transport failures and non-permanent SourceErrors."""
    if isinstance(error, SourceError):
        return not error.permanent
    return isinstance(error, requests.ConnectionError | requests.Timeout | requests.exceptions.ChunkedEncodingError)


def _wait(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = getattr(error, "wait_s", None)
    backoff = tenacity.wait_exponential_jitter(initial=0.5, max=MAX_WAIT_S)(state)
    return max(asked, 0.0) if asked is not None else backoff


def retrying(
    transient: Callable[[BaseException], bool] = is_transient,
    *,
    attempts: int = MAX_ATTEMPTS,
    sleep: Callable[[float], None] = tenacity.nap.sleep,
) -> tenacity.Retrying:
    """The suite's retry policy: exponential back-off with jitter, the vendor's Retry-After where given."""
    return tenacity.Retrying(
        retry=tenacity.retry_if_exception(transient),
        wait=_wait,
        stop=tenacity.stop_after_attempt(1 if glancing() else attempts),
        sleep=sleep,
        reraise=True,
    )


def retry_after(value: str | None, now: dt.datetime | None = None) -> float | None:
    """Seconds asked for by a Retry-After header (delta seconds or HTTP date); None if absent or unreadable."""
    if not value:
        return None
    try:
        seconds = float(value)
        return max(seconds, 0.0) if math.isfinite(seconds) else None
    except ValueError:
        pass
    try:
        then = email.utils.parsedate_to_datetime(value)
    except (TypeError, ValueError, OverflowError):
        return None
    then = then if then.tzinfo else then.replace(tzinfo=dt.UTC)  # "-0000"
    return max((then - (now or dt.datetime.now(dt.UTC))).total_seconds(), 0.0)


class Api:
    """JSON over HTTP for one source. Raises only SourceError, whose text never holds a header, a query or a key."""

    def __init__(
        self,
        source: str,
        base_url: str,
        *,
        headers: Mapping[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout_s: float = 60,
        retry: tenacity.Retrying | None = None,
    ) -> None:
        self.source, self.base_url, self.timeout_s = source, base_url.rstrip("/"), timeout_s
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy or netrc on the machine must not see the keys
        self._session.headers.update({"Accept": "application/json", **(headers or {})})
        self._session.auth = auth
        words = [word for value in (headers or {}).values() for word in (value, *value.split())]
        self._secrets = sorted({s for s in (*words, *(auth or ())) if len(s) >= 8}, key=len, reverse=True)
        self._retry = retry or retrying()

    def get(self, path: str, params: Any = None) -> Any:
        """GET as parsed JSON, retried."""
        return self._retry.copy()(self._once, "GET", path, params=params)

    def post(self, path: str, json: Any) -> Any:
        """POST of a read-only query (search endpoints) as parsed JSON, retried."""
        return self._retry.copy()(self._once, "POST", path, json=json)

    def _once(self, method: str, path: str, **kwargs: Any) -> Any:
        url = path if path.startswith("http") else f"{self.base_url}{path}"
        if _origin(url) != _origin(self.base_url):
            raise SourceError(self.source, path.split("?")[0], "next page points to another host", status=400)
        endpoint = f"{method} {url.removeprefix(self.base_url).split('?')[0]}"
        try:
            # A redirect would carry the key's header to wherever it points.
            timeout_s = time_limit(self.timeout_s)
            response = self._session.request(method, url, timeout=timeout_s, allow_redirects=False, **kwargs)
        except requests.RequestException as error:
            # Its text holds the whole URL, or the header it did not like.
            status = None if is_transient(error) or isinstance(error, requests.exceptions.ContentDecodingError) else 400
            raise SourceError(self.source, endpoint, f"no answer ({type(error).__name__})", status=status) from None
        note(response.status_code, response.headers)
        if response.is_redirect:
            raise SourceError(self.source, endpoint, "redirects elsewhere", status=response.status_code)
        if response.status_code >= 400:
            raise SourceError(
                self.source,
                endpoint,
                _problem(response, self._masked),
                status=response.status_code,
                wait_s=retry_after(response.headers.get("Retry-After")),
            )
        try:
            return response.json()
        except ValueError:
            kind = response.headers.get("Content-Type", "no content type")
            raise SourceError(
                self.source, endpoint, f"answer is not JSON ({kind}, {len(response.content)} bytes)"
            ) from None

    def _masked(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


def _origin(url: str) -> tuple[str | None, str | None, int | None]:
    """Scheme, host and port as the client itself reads them."""
    try:
        parts = parse_url(url)
    except LocationParseError:
        return None, None, None
    return parts.scheme, parts.host, parts.port


def _problem(response: requests.Response, masked: Callable[[str], str]) -> str:
    hints = {401: "the key was refused", 403: "the key lacks permission", 429: "rate limit"}
    try:
        body = response.json()
    except ValueError:
        body = {}
    message = ""
    if isinstance(body, dict):
        found = body.get("message") or body.get("error") or body.get("errors") or body.get("detail") or ""
        message = found.get("message", "") if isinstance(found, dict) else str(found)
    # Masked first: a key that is cut in half is not found.
    return "; ".join(part for part in (hints.get(response.status_code, ""), masked(message)[:200]) if part) or "failed"


def pages(
    fetch: Callable[[str | None], tuple[list[Any], str | None]], *, source: str, max_pages: int = 100_000
) -> Iterator[list[Any]]:
    """Cursor paging: `fetch(cursor) -> (records, next cursor or None)`. A cursor that repeats is an error,
    not an endless loop."""
    cursor: str | None = None
    seen: set[str] = set()
    for _ in range(max_pages):
        records, following = fetch(cursor)
        yield records
        if following is None:
            return
        if following in seen:
            raise SourceError(source, "paging", "the next-page cursor repeats", status=400)
        seen.add(following)
        cursor = following
    raise SourceError(source, "paging", f"more than {max_pages} pages", status=400)


def next_cursor(body: Mapping[str, Any], name: str, *, source: str, endpoint: str) -> str | None:
    """The cursor called `name` where the page says `has_more`, else None. A page that does not say, or says more
    and names no cursor, would end the read as if it were complete: SourceError."""
    more, cursor = body.get("has_more"), body.get(name)
    if not isinstance(more, bool) or (more and not cursor):
        problem = f"the page says there is more without a {name}" if more else "the page has no has_more"
        raise SourceError(source, endpoint, problem, status=422)
    return str(cursor) if more else None
