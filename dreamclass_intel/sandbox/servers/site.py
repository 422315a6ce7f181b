"""What every stand-in shares: the world, the clock, JSON answers and small parsing helpers."""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import Response

from dreamclass_intel.sandbox.clock import SandboxClock
from dreamclass_intel.sandbox.servers.faults import Faults
from dreamclass_intel.sandbox.world import World
from dreamclass_intel.settings import SANDBOX_KEY


@dataclass
class Site:
    """One running sandbox.

    `cache` lets a stand-in keep what it computed for a given now; `ahead` is what stand-ins can work out before
    they are asked.
    """

    world: World
    clock: SandboxClock
    faults: Faults = field(default_factory=Faults)
    cache: dict[str, tuple[dt.datetime, Any]] = field(default_factory=dict)
    ahead: list[Callable[[], None]] = field(default_factory=list)

    @property
    def now(self) -> dt.datetime:
        """The simulated now, aware UTC."""
        return self.clock.now()

    def at_now(self, name: str, compute: Any) -> Any:
        """`compute()` once per simulated now: vendors' object stores are rebuilt only when the clock moves."""
        now = self.now
        if name not in self.cache or self.cache[name][0] != now:
            self.cache[name] = (now, compute())
        return self.cache[name][1]


def answer(body: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """A JSON response."""
    return Response(orjson.dumps(body), status, headers, media_type="application/json")


def bearer_ok(request: Request) -> bool:
    """Whether the request carries the sandbox key as a bearer token."""
    return request.headers.get("authorization", "") == f"Bearer {SANDBOX_KEY}"


def iso(moment: dt.datetime) -> str:
    """RFC 3339 UTC with milliseconds and Z."""
    return moment.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
