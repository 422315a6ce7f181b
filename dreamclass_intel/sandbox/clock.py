"""The sandbox's clock: a settable now, kept in a small JSON file that several processes may read.

Lives here: time only. It never goes backwards and never passes the world's horizon.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from . import regimes

# 52 whole scoring windows after START, late enough that every vendor has published the day before (clock.py).
INITIAL_NOW = datetime(2025, 12, 29, 18, tzinfo=UTC)
_LIMIT = datetime.combine(regimes.HORIZON, time(), UTC)


class SandboxClock:
    """A now that only moves when told to, the same for every process that reads the file."""

    def __init__(self, path: Path | str, initial: datetime = INITIAL_NOW):
        self.path = Path(path)
        self.initial = initial

    def now(self) -> datetime:
        """The sandbox's present moment (aware, UTC)."""
        try:
            text = json.loads(self.path.read_text(encoding="utf-8"))["now"]
        except FileNotFoundError:
            return self.initial
        return datetime.fromisoformat(text).astimezone(UTC)

    def set(self, moment: datetime) -> datetime:
        """Move the present to `moment`; going backwards or past the horizon is refused."""
        if moment.tzinfo is None:
            raise ValueError("the sandbox clock takes aware datetimes only")
        moment = moment.astimezone(UTC)
        if moment < self.now():
            raise ValueError(f"the sandbox clock cannot go back from {self.now().isoformat()} to {moment.isoformat()}")
        if moment > _LIMIT:
            raise ValueError(f"the sandbox's world ends at {_LIMIT:%Y-%m-%d}")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=self.path.parent, prefix=self.path.name, suffix=".tmp")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                json.dump({"now": moment.isoformat()}, out)
            os.replace(name, self.path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name)
            raise
        return moment

    def advance(self, days: float) -> datetime:
        """Move the present forward by some days."""
        return self.set(self.now() + timedelta(days=days))
