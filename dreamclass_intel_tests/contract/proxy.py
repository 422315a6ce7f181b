"""An HTTP proxy before the emulator: remembers what was asked, answers as told instead, amends what comes back."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """Its body; empty when it is not JSON."""
        return json.loads(self.body) if self.body[:1] == b"{" else {}

    @property
    def query(self) -> dict[str, Any]:
        """Configuration of the query job asked for; empty for any other request."""
        return self.json.get("configuration", {}).get("query", {})


@dataclass
class Fault:
    """Answered once instead of the emulator, to the first request that fits."""

    fits: Callable[[Asked], bool]
    status: int
    reason: str
    message: str = "no such luck"


@dataclass
class Proxy:
    """What tests set and read."""

    url: str = ""
    asked: list[Asked] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    amend: Callable[[dict[str, Any]], None] = lambda answer: None

    def queries(self) -> list[dict[str, Any]]:
        """Configurations of the query jobs asked for."""
        return [asked.json["configuration"] for asked in self.asked if asked.query]


@contextmanager
def before(endpoint: str) -> Iterator[Proxy]:
    """A proxy before `endpoint`, serving on loopback."""
    proxy, target = Proxy(), urlsplit(endpoint).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _handle(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Asked(self.command, self.path, dict(self.headers), body)
            proxy.asked.append(asked)
            for fault in proxy.faults:
                if fault.fits(asked):
                    proxy.faults.remove(fault)
                    error = {"reason": fault.reason, "message": fault.message}
                    told = {"error": {"code": fault.status, "message": fault.message, "errors": [error]}}
                    return self._answer(fault.status, [("Content-Type", "application/json")], json.dumps(told).encode())
            connection = HTTPConnection(target, timeout=60)
            connection.request(self.command, self.path, body, {**dict(self.headers), "Host": target})
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if content[:1] == b"{":
                amended = json.loads(content)
                proxy.amend(amended)
                content = json.dumps(amended).encode()
            # The session of a resumable upload goes through here as well.
            headers = [(k, v.replace(target, urlsplit(proxy.url).netloc)) for k, v in answer.getheaders()]
            self._answer(answer.status, headers, content)
            return None

        def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    proxy.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)
