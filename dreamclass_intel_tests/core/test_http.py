"""A vendor on loopback that misbehaves: what is retried and when, what is not, and that no secret gets into words."""

import datetime as dt
import email.utils
import gzip
import json
import socket
import struct
import threading
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st

from dreamclass_intel.http import (
    MAX_ASKED_WAIT_S,
    MAX_ATTEMPTS,
    MAX_WAIT_S,
    RETRY_STATUSES,
    Api,
    SourceError,
    pages,
    retry_after,
    retrying,
)

CANARY = "sk_live_canary_4242424242"
Reply = Callable[[BaseHTTPRequestHandler], None]


def answer(status: int = 200, body: object = None, kind: str = "application/json", **headers: str) -> Reply:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()

    def send(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **given}.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(content)

    return send


def reset(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()
    handler.close_connection = True


def hung_up(handler: BaseHTTPRequestHandler) -> None:
    handler.close_connection = True


def cut(handler: BaseHTTPRequestHandler) -> None:
    answer(200, b'{"rows": [1, 2', Content_Length="400")(handler)
    handler.close_connection = True


def cut_chunks(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b'40\r\n{"rows": [')
    handler.close_connection = True


OK = answer(200, {"rows": [1]})
HTML = answer(200, b"<html>Just a moment...</html>", "text/html")
CUT_JSON = answer(200, b'{"rows": [1, 2')
CUT_GZIP = answer(200, gzip.compress(json.dumps({"rows": list(range(99))}).encode())[:-20], Content_Encoding="gzip")
NO_GZIP = answer(200, b"plainly not gzip", Content_Encoding="gzip")


class Vendor:
    """Replies in the order given, the last one for ever; remembers what it was asked."""

    def __init__(self) -> None:
        self.replies: list[Reply] = [OK]
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.url = ""


@pytest.fixture
def vendors() -> Iterator[Callable[[], Vendor]]:
    servers: list[tuple[ThreadingHTTPServer, threading.Thread]] = []

    def start() -> Vendor:
        vendor = Vendor()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _reply(self) -> None:
                self.rfile.read(int(self.headers.get("Content-Length") or 0))
                vendor.requests.append((self.command, self.path, dict(self.headers)))
                reply = vendor.replies.pop(0) if len(vendor.replies) > 1 else vendor.replies[0]
                reply(self)

            do_GET = do_POST = _reply

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads, server.block_on_close = True, False
        server.handle_error = lambda *_: None  # resets are meant
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        servers.append((server, thread))
        vendor.url = f"http://127.0.0.1:{server.server_port}"
        return vendor

    yield start
    for server, thread in servers:
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.fixture
def vendor(vendors: Callable[[], Vendor]) -> Vendor:
    return vendors()


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def api(vendor: Vendor, waits: list[float]) -> Api:
    return Api(
        "acme",
        f"{vendor.url}/v1",
        headers={"Authorization": f"Bearer {CANARY}"},
        timeout_s=10,
        retry=retrying(sleep=waits.append),
    )


def told(error: BaseException) -> str:
    """All that a log would show of it."""
    return "".join(traceback.format_exception(error)) + repr(error) + str(error)


# --- waiting ---------------------------------------------------------------------------------------------------


def test_seconds_asked_for_are_waited(api, vendor, waits):
    vendor.replies = [answer(429, {}, Retry_After="7"), answer(503, {}, Retry_After="0"), OK]
    assert api.get("/rows") == {"rows": [1]}
    assert waits == [7.0, 0.0]
    assert [path for _, path, _ in vendor.requests] == ["/v1/rows"] * 3


def test_a_date_asked_for_is_waited_for(api, vendor, waits):
    until = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=100)
    vendor.replies = [answer(429, {}, Retry_After=email.utils.format_datetime(until, usegmt=True)), OK]
    api.get("/rows")
    # Not before the date (which has whole seconds), and not for ever.
    assert 0 < waits[0] <= 100
    asked = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=waits[0])
    assert asked >= until.replace(microsecond=0)


def test_a_wait_that_is_too_long_is_left_to_the_next_run(api, vendor, waits):
    vendor.replies = [answer(429, {}, Retry_After="86400"), OK]
    with pytest.raises(SourceError, match=r"acme GET /rows: HTTP 429 rate limit; asks to wait 86400 s") as caught:
        api.get("/rows")
    assert caught.value.permanent  # Dagster must not come back in 20 s
    assert waits == []
    vendor.replies = [answer(429, {}, Retry_After=str(int(MAX_ASKED_WAIT_S))), OK]
    assert api.get("/rows") == {"rows": [1]}
    assert waits == [MAX_ASKED_WAIT_S]


NOW = dt.datetime(2024, 4, 8, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("nan", None),
        ("inf", None),
        ("-5", 0.0),
        ("1.5", 1.5),
        ("Mon, 08 Apr 2024 00:01:00 GMT", 60.0),
        ("Mon, 08 Apr 2024 03:01:00 +0300", 60.0),
        ("Mon, 08 Apr 2024 00:01:00 -0000", 60.0),
        ("Sun, 07 Apr 2024 00:00:00 GMT", 0.0),
    ],
)
def test_what_retry_after_says(value, seconds):
    assert retry_after(value, NOW) == seconds


@given(st.text() | st.from_regex(r"\w{3}, \d{1,3} \w{3} \d{1,6} \d\d:\d\d:\d\d ([+-]\d{4,6}|GMT)", fullmatch=True))
def test_no_retry_after_breaks_us(value):
    found = retry_after(value, NOW)
    assert found is None or 0 <= found < float("inf")


# --- faults that pass ------------------------------------------------------------------------------------------

PASSING = {
    "429": answer(429, {"message": "slow down"}),
    **{str(s): answer(s, b"oops", "text/plain") for s in (408, 425, 500, 502, 503, 504, 520, 599)},
    "reset": reset,
    "hung up": hung_up,
    "cut": cut,
    "cut chunks": cut_chunks,
    "html": HTML,
    "cut json": CUT_JSON,
    "cut gzip": CUT_GZIP,
    "no gzip": NO_GZIP,
    "empty": answer(200, b""),
}


@pytest.mark.parametrize("fault", PASSING)
def test_a_storm_is_waited_out(api, vendor, waits, fault):
    vendor.replies = [PASSING[fault]] * 3 + [OK]
    assert api.get("/rows") == {"rows": [1]}
    assert len(waits) == 3
    assert all(0 < wait <= MAX_WAIT_S + 1 for wait in waits)
    assert waits[2] > 1  # grows


@pytest.mark.parametrize("fault", PASSING)
def test_a_storm_that_stays_ends_in_words(api, vendor, waits, fault):
    vendor.replies = [PASSING[fault]]
    with pytest.raises(SourceError, match=r"^acme POST /search: ") as caught:
        api.post("/search", {"key": CANARY})
    assert len(vendor.requests) == MAX_ATTEMPTS
    assert len(waits) == MAX_ATTEMPTS - 1
    assert not caught.value.permanent
    assert CANARY not in told(caught.value)


def test_html_is_named(api, vendor):
    vendor.replies = [HTML]
    with pytest.raises(SourceError, match=r"answer is not JSON \(text/html, 29 bytes\)"):
        api.get("/rows")


def test_silence_times_out(vendor, waits):
    release = threading.Event()
    vendor.replies = [lambda _: release.wait(30), OK]
    api = Api("acme", vendor.url, timeout_s=0.2, retry=retrying(sleep=waits.append))
    try:
        assert api.get("/rows") == {"rows": [1]}
    finally:
        release.set()
    assert len(waits) == 1


def test_nobody_listening_ends_in_words(waits):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, not listening
        api = Api("acme", f"http://127.0.0.1:{taken.getsockname()[1]}", retry=retrying(attempts=2, sleep=waits.append))
        with pytest.raises(SourceError, match=r"acme GET /rows: no answer \(ConnectionError\)") as caught:
            api.get("/rows", {"api_key": CANARY})
    assert len(waits) == 1
    assert CANARY not in told(caught.value)


# --- faults that stay ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (400, "bad cursor"),
        (401, "the key was refused; bad cursor"),
        (403, "the key lacks permission; bad cursor"),
        (404, "bad cursor"),
        (410, "bad cursor"),
        (422, "bad cursor"),
    ],
)
def test_a_refusal_is_final_and_says_why(api, vendor, waits, status, words):
    vendor.replies = [answer(status, {"error": {"message": "bad cursor"}})]
    with pytest.raises(SourceError) as caught:
        api.get("/rows", {"cursor": "x"})
    assert str(caught.value) == f"acme GET /rows: HTTP {status} {words}"
    assert caught.value.permanent
    assert len(vendor.requests) == 1
    assert waits == []


@pytest.mark.parametrize(
    "body", [{"message": "m"}, {"error": "m"}, {"errors": ["m"]}, {"detail": "m"}, ["m"], "m", None]
)
def test_every_shape_of_error_is_survived(api, vendor, body):
    vendor.replies = [answer(404, body)]
    with pytest.raises(SourceError, match=r"HTTP 404 (m|\['m'\]|failed)$"):
        api.get("/rows")


@given(st.integers(400, 599))
def test_what_is_permanent(status):
    error = SourceError("acme", "GET /", "x", status=status)
    assert error.permanent == (status < 500 and status not in RETRY_STATUSES)


# --- secrets ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [401, 400, 500])
def test_a_key_echoed_by_the_vendor_is_masked(vendor, status):
    vendor.replies = [answer(status, {"message": f"key {CANARY} in Bearer {CANARY} or {CANARY}-b is unknown"})]
    retry = retrying(attempts=2, sleep=lambda _: None)
    for extra in (
        {"headers": {"X-Api-Key": CANARY}},
        {"auth": ("user", CANARY)},
        {"headers": {"A": f"Bearer {CANARY}"}},
    ):
        with pytest.raises(SourceError, match="is unknown") as caught:
            Api("acme", vendor.url, retry=retry, **extra).get("/rows")
        assert CANARY not in told(caught.value)


@pytest.mark.parametrize("before", [180, 190])
def test_a_key_that_is_cut_off_with_its_message_is_masked(vendor, before):
    vendor.replies = [answer(400, {"message": f"{'x' * before}{CANARY}"})]
    with pytest.raises(SourceError) as caught:
        Api("acme", vendor.url, headers={"X-Api-Key": CANARY}).get("/rows")
    assert CANARY[:5] not in told(caught.value)


def test_a_key_with_a_line_break_is_refused_without_being_shown(vendor, waits):
    api = Api("acme", vendor.url, headers={"X-Api-Key": f"{CANARY}\n"}, retry=retrying(sleep=waits.append))
    with pytest.raises(SourceError, match=r"acme GET /rows: .*InvalidHeader") as caught:
        api.get("/rows")
    assert CANARY not in told(caught.value)
    assert caught.value.permanent
    assert vendor.requests == []


@pytest.mark.parametrize("fault", ["500", "reset", "html", "cut"])
def test_a_key_in_the_url_is_in_no_words(api, vendor, fault):
    vendor.replies = [PASSING[fault]]
    for path, params in (("/rows", {"api_key": CANARY}), (f"/rows?api_key={CANARY}", None)):
        with pytest.raises(SourceError) as caught:
            api.get(path, params)
        assert CANARY not in told(caught.value)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_takes_the_key_nowhere(vendors, vendor, status):
    thief = vendors()
    vendor.replies = [answer(status, b"", Location=f"{thief.url}/rows")]
    api = Api("acme", vendor.url, headers={"X-Api-Key": CANARY}, retry=retrying(sleep=lambda _: None))
    with pytest.raises(SourceError, match="redirects elsewhere"):
        api.get("/rows")
    assert thief.requests == []
    assert len(vendor.requests) == 1


def test_proxies_and_netrc_of_the_machine_are_not_used(api, vendor, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert api.get("/rows") == {"rows": [1]}
    assert vendor.requests[0][2]["Authorization"] == f"Bearer {CANARY}"


# --- paging ----------------------------------------------------------------------------------------------------


def test_a_next_page_on_the_same_host_is_followed(api, vendor):
    assert api.get(f"{vendor.url}/v1/rows?cursor=2") == {"rows": [1]}
    assert vendor.requests[0][1] == "/v1/rows?cursor=2"


@pytest.mark.parametrize(
    "template",
    [
        "http://evil.example/rows",
        "http://127.0.0.1.evil.example:{port}/rows",
        "http://127.0.0.1:{port}.evil.example/rows",
        "http://127.0.0.1:{port}@evil.example/rows",
        "http://127.0.0.1:{port}@evil.example:{port}/rows",
        "http://evil.example\\@127.0.0.1:{port}/rows",
        "https://127.0.0.1:{port}/rows",
        "http://127.0.0.1:1/rows",
        "http://127.0.0.1/rows",
        "http://127.0.0.1:{port}0/rows",
        "http://",
        "http://[::1/rows",
        "httpx",
    ],
)
def test_a_next_page_on_another_host_is_refused(api, vendor, waits, template):
    url = template.format(port=vendor.url.rsplit(":")[-1])
    with pytest.raises(SourceError, match="next page points to another host") as caught:
        api.get(f"{url}?api_key={CANARY}")
    assert CANARY not in told(caught.value)
    assert (vendor.requests, waits) == ([], [])


def served(*following: str | None) -> tuple[list[str | None], Callable[[str | None], tuple[list[int], str | None]]]:
    asked: list[str | None] = []

    def fetch(cursor: str | None) -> tuple[list[int], str | None]:
        asked.append(cursor)
        return [len(asked)], following[min(len(asked), len(following)) - 1]

    return asked, fetch


def test_pages_are_read_to_the_end():
    asked, fetch = served("a", "b", None)
    assert list(pages(fetch, source="acme")) == [[1], [2], [3]]
    assert asked == [None, "a", "b"]


@pytest.mark.parametrize(("following", "asked_for"), [(("a", "a"), 2), (("a", "b", "a"), 3)])
def test_a_repeated_cursor_stops(following, asked_for):
    asked, fetch = served(*following)
    with pytest.raises(SourceError, match=r"acme paging: .*the next-page cursor repeats") as caught:
        list(pages(fetch, source="acme"))
    assert len(asked) == asked_for
    assert caught.value.permanent


def test_pages_without_end_stop():
    with pytest.raises(SourceError, match="more than 5 pages"):
        list(pages(lambda cursor: ([], f"{cursor}x"), source="acme", max_pages=5))


def test_other_clients_share_the_policy(waits):
    tries: list[int] = []

    def flaky() -> int:
        tries.append(1)
        if len(tries) < 3:
            raise requests.ConnectionError
        return 7

    assert retrying(sleep=waits.append)(flaky) == 7
    assert len(waits) == 2
    with pytest.raises(ZeroDivisionError):
        retrying(sleep=waits.append)(lambda: 1 // 0)
    assert len(waits) == 2
