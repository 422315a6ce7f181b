"""What alerting remembers between ticks and restarts: open episodes, what was delivered where, and, for updates
without a daemon, how far the runs were told of."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dreamclass_intel.defs.monitoring.episodes import Episode


class Ledger:
    """Delivery log (append-only JSONL, synced) and open episodes (JSON, replaced whole) in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._delivered, self._episodes = folder / "delivered.jsonl", folder / "episodes.json"
        self._positions = folder / "positions.json"

    def episodes(self) -> dict[str, Episode]:
        """Open episodes by key."""
        return {key: Episode(**value) for key, value in (_stored(self._episodes) or {}).items()}

    def keep(self, episodes: dict[str, Episode]) -> None:
        """Replace the open episodes."""
        _replace(self._episodes, {k: asdict(v) for k, v in sorted(episodes.items())})

    def positions(self) -> dict[str, int] | None:
        """Newest storage id told of, by event type; None before the first."""
        found: dict[str, int] | None = _stored(self._positions)
        return found

    def keep_positions(self, positions: dict[str, int]) -> None:
        """Replace the positions."""
        _replace(self._positions, positions)

    def was_delivered(self, key: str, channel: str) -> bool:
        """Whether a message with this idempotency key has gone out on a channel."""
        return any(entry["key"] == key and entry["channel"] == channel for entry in self.entries())

    def entries(self) -> list[dict[str, Any]]:
        """All deliveries, oldest first."""
        if not self._delivered.exists():
            return []
        return [json.loads(line) for line in self._delivered.read_text(encoding="utf-8").splitlines() if line]

    def record(self, entry: dict[str, Any]) -> None:
        """Remember a delivery; on disk when this returns."""
        with self._delivered.open("a", encoding="utf-8") as out:
            out.write(json.dumps(entry) + "\n")
            out.flush()
            os.fsync(out.fileno())


def _stored(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _replace(path: Path, content: Any) -> None:
    scratch = path.with_suffix(".tmp")
    scratch.write_text(json.dumps(content, indent=1), encoding="utf-8")
    os.replace(scratch, path)
