"""What alerting remembers between ticks and restarts: open episodes and what was delivered, as two files."""

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

    def episodes(self) -> dict[str, Episode]:
        """Open episodes by key."""
        if not self._episodes.exists():
            return {}
        stored = json.loads(self._episodes.read_text(encoding="utf-8"))
        return {key: Episode(**value) for key, value in stored.items()}

    def keep(self, episodes: dict[str, Episode]) -> None:
        """Replace the open episodes."""
        scratch = self._episodes.with_suffix(".tmp")
        scratch.write_text(json.dumps({k: asdict(v) for k, v in sorted(episodes.items())}, indent=1), encoding="utf-8")
        os.replace(scratch, self._episodes)

    def was_delivered(self, key: str) -> bool:
        """Whether a message with this idempotency key has gone out."""
        return any(entry["key"] == key for entry in self.entries())

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
