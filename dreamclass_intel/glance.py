"""A quick look at a vendor: within it every client makes one attempt with a short time-out, and what the answers'
headers said is kept. The clients ask here; `doctor` looks. Outside a glance nothing changes.
"""

import datetime as dt
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

SHORTEST_S = 0.05


@dataclass(frozen=True)
class Heard:
    """One answer of a vendor, whatever its status."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    at: dt.datetime  # aware, this machine's clock


@dataclass
class Glance:
    """The look in force in this thread."""

    timeout_s: float
    until: float  # on the monotonic clock
    heard: list[Heard] = field(default_factory=list)


_CURRENT: ContextVar[Glance | None] = ContextVar("glance", default=None)


@contextmanager
def glance(timeout_s: float, whole_s: float) -> Iterator[Glance]:
    """Look quickly until the block ends, this thread only: so long for an answer, so long for all together."""
    look = Glance(timeout_s, time.monotonic() + whole_s)
    token = _CURRENT.set(look)
    try:
        yield look
    finally:
        _CURRENT.reset(token)


def glancing() -> bool:
    """Whether this is a quick look: one attempt, no more."""
    return _CURRENT.get() is not None


def time_limit(configured: float) -> float:
    """Seconds to wait for one answer: as configured, in a glance at most the glance's."""
    look = _CURRENT.get()
    if look is None:
        return configured
    return min(configured, look.timeout_s, max(look.until - time.monotonic(), SHORTEST_S))


def note(status: int | None, headers: Mapping[str, str] | None) -> None:
    """Clients tell of every answer they get, refusals too."""
    look = _CURRENT.get()
    if look is not None:
        lowered = {name.lower(): value for name, value in (headers or {}).items()}
        look.heard.append(Heard(status or 0, lowered, dt.datetime.now(dt.UTC)))
