"""What a probe writes into: one subject's findings, and how a vendor's refusal is read.

A probe is a function `probe(checkup)` beside its client. It makes the cheapest real requests through that client by
`checkup.ask` and adds what only it can know. Reachability, refusals, missing grants and the clock follow from asking.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from dreamclass_intel.doctor.clocks import clock_finding
from dreamclass_intel.doctor.report import Aspect, Finding, Level, Report
from dreamclass_intel.glance import Glance
from dreamclass_intel.http import SourceError
from dreamclass_intel.settings import Mode

T = TypeVar("T")
Grant = str | Callable[[SourceError], str]


class Probe(Protocol):
    """`defs/<source>/doctor.py` and `warehouse/<backend>_doctor.py` each have one, named `probe`."""

    def __call__(self, checkup: "Checkup") -> None:
        """Examine; runs in a thread of its own, inside a glance."""
        ...


@dataclass(frozen=True)
class Access:
    """The way into a vendor, in the words of `.env.example` (a test compares them)."""

    address: str  # the variable that says where
    key: str  # the variable that holds the key
    privilege: str  # the least privilege the key needs


class Stop(Exception):  # noqa: N818 (an end, not an error)
    """Nothing more can be learnt about this subject."""


class Checkup:
    """Collects findings about one subject; safe to read while a probe still hangs."""

    def __init__(self, subject: str, mode: str, look: Glance | None = None) -> None:
        self.subject, self.mode, self.look = subject, mode, look
        self.variables_set: tuple[str, ...] = ()
        self.variables_missing: tuple[str, ...] = ()
        self._findings: list[Finding] = []

    @property
    def live(self) -> bool:
        """Whether a real vendor is asked with a real key."""
        return self.mode == Mode.LIVE

    def add(self, aspect: Aspect, level: Level, shown: str, detail: str = "") -> None:
        """Write down a finding."""
        self._findings.append(Finding(aspect, level, shown, detail))

    def ok(self, aspect: Aspect, shown: str = "ok", detail: str = "") -> None:
        """As it should be."""
        self.add(aspect, Level.OK, shown, detail)

    def unknown(self, aspect: Aspect, detail: str) -> None:
        """Cannot be known; `detail` says why and where a person can look."""
        self.add(aspect, Level.UNKNOWN, "?", detail)

    def warn(self, aspect: Aspect, shown: str, detail: str) -> None:
        """Works, but should be seen to."""
        self.add(aspect, Level.WARNING, shown, detail)

    def problem(self, aspect: Aspect, shown: str, detail: str) -> None:
        """Loads fail."""
        self.add(aspect, Level.PROBLEM, shown, detail)

    def ask(self, call: Callable[[], T], access: Access, grant: Grant = "") -> T | None:
        """The call's answer, or None where the key lacks `grant`: the part of the privilege that this call needs,
        or what reads it from the refusal.

        Raises Stop where asking on is no use: no answer, a refused key, no quota, an answer that is none.
        """
        started = time.monotonic()
        try:
            answer = call()
        except SourceError as error:
            self._refused(error, access, grant, started)
            return None
        self.reached(started)
        self._once(Aspect.PERMITTED, "ok")
        return answer

    def report(self) -> Report:
        """The findings so far."""
        found = list(self._findings)
        if self.look and (clock := clock_finding(list(self.look.heard))):
            found.append(clock)
        return Report(self.subject, self.mode, tuple(found), self.variables_set, self.variables_missing)

    def reached(self, started: float) -> None:
        """It answered, whatever it said; `started` on the monotonic clock."""
        self._once(Aspect.REACHABLE, f"{(time.monotonic() - started) * 1000:.0f} ms")

    def _once(self, aspect: Aspect, shown: str) -> None:
        if not any(f.aspect is aspect and f.level is Level.OK for f in self._findings):
            self.ok(aspect, shown)

    def _refused(self, error: SourceError, access: Access, grant: Grant, started: float) -> None:
        needs = f"{access.key} needs: {access.privilege}"
        answered = bool(self.look and self.look.heard) or (error.status is not None and error.status >= 400)
        if not answered:
            hint = (
                f"check {access.address}"
                if self.live
                else "make run starts the sandbox; just started or moved on, it needs a minute"
            )
            self.problem(Aspect.REACHABLE, "no", f"{error}; {hint}")
            raise Stop
        if error.status == 401:
            self.reached(started)
            self.problem(Aspect.PERMITTED, "refused", f"{error}. {needs}")
        elif error.status == 403:
            self.reached(started)
            missing = (grant if isinstance(grant, str) else grant(error)) or access.privilege
            self.problem(Aspect.PERMITTED, "lacks a grant", f"{access.key} lacks: {missing} ({error})")
            return
        elif error.status == 429:
            self.reached(started)
            wait = "" if error.wait_s is None else f"; it asks to wait {error.wait_s:.0f} s"
            self.problem(Aspect.QUOTA, "none left", f"{error}{wait}")
        elif error.status is not None and error.status >= 400:
            self.problem(Aspect.REACHABLE, f"HTTP {error.status}", f"{error}; check {access.address}")
        else:
            self.problem(Aspect.REACHABLE, "not its API", f"{error}; check {access.address}, and proxies on the way")
        raise Stop
