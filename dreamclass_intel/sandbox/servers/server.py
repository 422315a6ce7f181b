"""The sandbox's HTTP server: every vendor's stand-in under its own path, the clock, and the faults."""

import importlib
import pkgutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route

import dreamclass_intel.sandbox.servers as package
from dreamclass_intel.sandbox.clock import SandboxClock
from dreamclass_intel.sandbox.regimes import WINDOW_DAYS
from dreamclass_intel.sandbox.servers.faults import FaultMiddleware
from dreamclass_intel.sandbox.servers.site import Site, answer
from dreamclass_intel.sandbox.truth import write_truth
from dreamclass_intel.sandbox.world import World, WorldConfig
from dreamclass_intel.settings import SettingsError, load_settings

INFRASTRUCTURE = {"site", "server", "faults"}


def create_app(site: Site, truth: "Truth | None" = None) -> Starlette:
    """All stand-ins of `site`. The vendor modules of this package are mounted under their own names."""

    def clock(_request: Request) -> Response:
        return answer({"now": site.now.isoformat()})

    async def advance(request: Request) -> Response:
        body = await request.json()
        now = site.clock.advance(int(body["days"]))
        if truth:
            truth.write()
        return answer({"now": now.isoformat()})

    async def faults(request: Request) -> Response:
        site.faults.add(**await request.json())
        return answer({"ok": True})

    mounts = [
        Mount(f"/{m.name}", routes=importlib.import_module(f"{package.__name__}.{m.name}").routes(site))
        for m in pkgutil.iter_modules(package.__path__)
        if m.name not in INFRASTRUCTURE and not m.name.startswith("_")
    ]
    return Starlette(
        routes=[
            Route("/clock", clock),
            Route("/clock/advance", advance, methods=["POST"]),
            Route("/_faults", faults, methods=["POST"]),
            *mounts,
        ],
        middleware=[Middleware(FaultMiddleware, faults=site.faults)],
    )


class Truth:
    """The planted truth in a file, as of the site's now."""

    def __init__(self, site: Site, path: Path) -> None:
        self.path, self._site, self._lock = path, site, threading.Lock()

    def write(self) -> None:
        """Write the file anew."""
        with self._lock:
            write_truth(self._site.world, self._site.now, self.path)


def build_site(seed: int, scale: float, clock_path: Path) -> Site:
    """A world with its clock file."""
    return Site(World(WorldConfig(seed=seed, scale=scale)), SandboxClock(clock_path))


@contextmanager
def serving(app: Starlette, *, date_header: bool = True) -> Iterator[str]:
    """Serve `app` from a thread on a free loopback port; yields the base URL. For tests and benches."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off", date_header=date_header))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def running(site: Site) -> AbstractContextManager[str]:
    """All stand-ins of `site`, served from a thread."""
    return serving(create_app(site))


def serve() -> None:
    """Serve the sandbox of the settings on its port until stopped; writes the planted truth beside the clock.

    Raises SettingsError for a START_DATE off the grid of the simulated company's scoring windows.
    """
    settings = load_settings()
    first = WorldConfig.start
    if settings.start_date < first or (settings.start_date - first).days % WINDOW_DAYS:
        raise SettingsError(f"START_DATE must be {first} or whole scoring windows of 14 days later in the sandbox")
    folder = settings.state_dir / "sandbox"
    folder.mkdir(parents=True, exist_ok=True)
    site = build_site(settings.sandbox_seed, settings.sandbox_scale, folder / "clock.json")
    truth = Truth(site, folder / "truth.json")
    app = create_app(site, truth)
    if not truth.path.exists():  # a first start, which is about to be asked for everything
        sys.setswitchinterval(0.0005)  # answers come first
        threading.Thread(target=lambda: [work() for work in (truth.write, *site.ahead)], daemon=True).start()
    uvicorn.run(app, host="127.0.0.1", port=settings.sandbox_port, log_level="warning", lifespan="off")
