"""Runs the probes: all at once, each in a thread of its own, and none longer than the deadline."""

import importlib
import importlib.util
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from dreamclass_intel.doctor.checkup import Checkup, Probe, Stop
from dreamclass_intel.doctor.configured import configured, mode_of, suite
from dreamclass_intel.doctor.report import Aspect, Report
from dreamclass_intel.glance import glance
from dreamclass_intel.settings import SOURCES, Mode, Settings, SettingsError, load_settings

REQUEST_S = 4.0
SANDBOX_REQUEST_S = 9.0  # its first answer after a start builds a world
DEADLINE_S = 10.0
LAST_CALL_S = 9.0  # no request goes on for longer; what still hangs then is no request


@dataclass
class _Visit:
    checkup: Checkup
    probe: Probe
    timeout_s: float
    thread: threading.Thread | None = None

    def start(self) -> None:
        # A daemon: nothing can end a look-up of a name that hangs, and nobody waits for it.
        self.thread = threading.Thread(target=self._run, name=f"doctor-{self.checkup.subject}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        with glance(self.timeout_s, LAST_CALL_S) as look:
            self.checkup.look = look
            _guarded(self.checkup, lambda: self.probe(self.checkup))


def examine() -> list[Report]:
    """Examine settings, sources and warehouse. Never raises for what it finds."""
    try:
        settings = load_settings()
    except SettingsError as error:
        unread = Checkup("settings", "")
        for line in str(error).splitlines():
            unread.problem(Aspect.CONFIGURED, "wrong", line)
        return [unread.report()]
    whole = Checkup("settings", "")
    suite(whole, settings)
    checkups, visits = [whole], []
    for name in SOURCES:
        source = settings.source(name)
        checkup = Checkup(name, mode_of(source))
        checkups.append(checkup)
        if configured(checkup, source):
            timeout_s = REQUEST_S if checkup.mode == Mode.LIVE else SANDBOX_REQUEST_S
            visits.append(_Visit(checkup, _probe(f"dreamclass_intel.defs.{name}.doctor"), timeout_s))
    warehouse = Checkup("warehouse", settings.warehouse)
    checkups.append(warehouse)
    if probe := _warehouse_probe(settings):
        visits.append(_Visit(warehouse, probe, REQUEST_S))
    else:
        warehouse.unknown(Aspect.REACHABLE, f"there is no probe for WAREHOUSE={settings.warehouse}")
    _visit(visits)
    return [checkup.report() for checkup in checkups]


def _visit(visits: list[_Visit]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    for visit in visits:
        visit.start()
    for visit in visits:
        assert visit.thread is not None
        visit.thread.join(max(deadline - time.monotonic(), 0))
        if visit.thread.is_alive():
            visit.checkup.problem(Aspect.REACHABLE, "hangs", f"not done within {DEADLINE_S:.0f} s")


def _probe(module: str) -> Probe:
    # Imported here, one after the other: threads that import each other's half-loaded modules fail at random.
    found: Probe = importlib.import_module(module).probe
    return found


def _warehouse_probe(settings: Settings) -> Probe | None:
    module = f"dreamclass_intel.warehouse.{settings.warehouse}_doctor"
    return _probe(module) if importlib.util.find_spec(module) else None


def _guarded(checkup: Checkup, work: Callable[[], None]) -> None:
    """Whatever a probe raises becomes a finding; an unknown error's text is withheld, it may hold a secret."""
    try:
        work()
    except Stop:
        pass
    except SettingsError as error:
        checkup.problem(Aspect.CONFIGURED, "wrong", str(error))
    except Exception as error:
        checkup.problem(Aspect.REACHABLE, "failed", f"the probe failed ({type(error).__name__})")
