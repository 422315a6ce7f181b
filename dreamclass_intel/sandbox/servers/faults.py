"""Faults that tests switch on per vendor: POST /_faults {"vendor", "kind", "count", ...}; they wear off.

Kinds: `429` (with `retry_after` seconds or none), `500`/`503` storms, `401`/`403`, `html` (an HTML page with
200), `truncated` (a JSON body cut in half), `repeat_page` is up to a vendor's own stand-in (`Faults.take`).
"""

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass(frozen=True)
class Fault:
    """One fault, to be used once."""

    kind: str
    retry_after: float | None = None
    path: str = ""  # only requests whose path contains this


class Faults:
    """Queues of faults, one a vendor, and a count of the requests each vendor received."""

    def __init__(self) -> None:
        self._queues: dict[str, deque[Fault]] = defaultdict(deque)
        self.requests: dict[str, int] = defaultdict(int)

    def add(self, vendor: str, kind: str, count: int = 1, retry_after: float | None = None, path: str = "") -> None:
        """Queue `count` faults for a vendor."""
        self._queues[vendor].extend(Fault(kind, retry_after, path) for _ in range(count))

    def take(self, vendor: str, path: str, *kinds: str) -> Fault | None:
        """The next queued fault if it is one of `kinds` (any, if none given) and fits the path."""
        queue = self._queues[vendor]
        if queue and queue[0].path in path and (not kinds or queue[0].kind in kinds):
            return queue.popleft()
        return None

    def clear(self) -> None:
        """Forget all queued faults and counts."""
        self._queues.clear()
        self.requests.clear()


TRANSPORT_KINDS = ("429", "500", "502", "503", "401", "403", "html", "truncated")


class FaultMiddleware:
    """Answers with a queued fault instead of the stand-in; the first path segment is the vendor."""

    def __init__(self, app: ASGIApp, faults: Faults) -> None:
        self.app, self.faults = app, faults

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        vendor = scope["path"].split("/")[1]
        self.faults.requests[vendor] += 1
        fault = self.faults.take(vendor, scope["path"], *TRANSPORT_KINDS)
        if fault is None:
            await self.app(scope, receive, send)
        elif fault.kind == "truncated":
            await self._truncated(scope, receive, send)
        else:
            await _send(send, fault)

    async def _truncated(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, start = b"", None

        async def capture(message: Message) -> None:
            nonlocal body, start
            if message["type"] == "http.response.start":
                start = message
            else:
                body += message.get("body", b"")

        await self.app(scope, receive, capture)
        assert start is not None
        half = body[: len(body) // 2]
        headers = [(k, v) for k, v in start["headers"] if k != b"content-length"]
        await send({**start, "headers": [*headers, (b"content-length", str(len(half)).encode())]})
        await send({"type": "http.response.body", "body": half})


async def _send(send: Send, fault: Fault) -> None:
    headers: list[Any] = [(b"content-type", b"application/json")]
    body = b'{"error": {"message": "fault injected", "type": "api_error"}, "message": "fault injected"}'
    status = 200 if fault.kind == "html" else int(fault.kind)
    if fault.kind == "html":
        headers, body = [(b"content-type", b"text/html")], b"<html><body>We'll be back soon</body></html>"
    if fault.retry_after is not None:
        headers.append((b"retry-after", f"{fault.retry_after:g}".encode()))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
