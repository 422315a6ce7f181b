"""Where export shards come from: a folder of files, an HTTP listing (the sandbox), or BigQuery. One interface.

A shard is opened as local files (JSON lines or Parquet), so that what follows is the same for all of them.
"""

import datetime as dt
import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import requests

from dreamclass_intel.http import Api, SourceError, retry_after, retrying
from dreamclass_intel.partitions import DAY, Days

# Only whole days: `events_intraday_…` would count a day twice.
SUFFIX = re.compile(r"\d{8}")
# BigQuery's EXPORT DATA numbers its files; each day's files together are the shard.
FILE = re.compile(r"events_(\d{8})(?:[-_](\d{6,12}))?\.(?:jsonl|ndjson|json|jsonl\.gz|ndjson\.gz|json\.gz|parquet)")
CHUNK = 1 << 20


@dataclass(frozen=True, order=True)
class Shard:
    """One day of the export in its current publication."""

    suffix: str  # YYYYMMDD
    last_modified: dt.datetime | None = None  # aware
    row_count: int | None = None

    @property
    def day(self) -> dt.date:
        """The shard's date, in the property's time zone."""
        return dt.date.fromisoformat(self.suffix)

    @property
    def table(self) -> str:
        """Its table name."""
        return f"events_{self.suffix}"


class ShardSource(Protocol):
    """A place that has shards. Raises SourceError."""

    def list_shards(self) -> list[Shard]:
        """The shards that exist now, oldest first."""
        ...

    def open_shard(self, shard: Shard, folder: Path) -> list[Path]:
        """Local files with the shard's rows; anything downloaded goes into `folder`, which is the caller's."""
        ...


@dataclass(frozen=True)
class Plan:
    """What a run of some days can read."""

    shards: list[Shard]
    not_yet: list[dt.date]  # too young for their absence to mean anything
    missing: list[dt.date]  # never exported (export paused, or not yet linked)
    overdue: list[dt.date]  # missing, and nothing newer either: the export has stopped


def plan(available: Sequence[Shard], days: Days, now: dt.datetime, zone: ZoneInfo, patience: dt.timedelta) -> Plan:
    """Sort the days into what can be read and why the rest cannot. A shard is due `patience` after its day's end."""
    by_day = {shard.day: shard for shard in available}
    newest = max(by_day, default=dt.date.min)
    absent = [day for day in days if day not in by_day]
    young = [day for day in absent if now < dt.datetime.combine(day + DAY, dt.time(), zone) + patience]
    late = [day for day in absent if day not in young]
    return Plan(
        shards=[by_day[day] for day in days if day in by_day],
        not_yet=young,
        missing=[day for day in late if day < newest],
        overdue=[day for day in late if day > newest],
    )


class FolderShards:
    """Shard files in a local folder: `events_YYYYMMDD.jsonl.gz` and the like, Parquet, or numbered parts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def list_shards(self) -> list[Shard]:
        """By file name; the newest part's modification time."""
        if not self.folder.is_dir():
            raise SourceError("ga4", "export", f"GA4_EXPORT_DIR {self.folder} is not a folder", status=404)
        return [Shard(suffix, _modified(paths)) for suffix, paths in sorted(self._files().items())]

    def open_shard(self, shard: Shard, folder: Path) -> list[Path]:
        """The files where they lie. A day that lies there twice would have each event twice: SourceError; also when
        they are not the listed ones any more."""
        paths = sorted(self._files().get(shard.suffix, []))
        if not paths or shard.last_modified not in (None, _modified(paths)):
            raise SourceError("ga4", shard.table, "changed or gone while it was read")
        parts = [match.group(2) for path in paths if (match := FILE.fullmatch(path.name))]
        if len(set(parts)) < len(parts) or (None in parts and len(parts) > 1):
            names = ", ".join(path.name for path in paths)
            raise SourceError("ga4", shard.table, f"GA4_EXPORT_DIR holds the day more than once: {names}", status=409)
        return paths

    def _files(self) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for path in self.folder.iterdir():
            if match := FILE.fullmatch(path.name):
                found.setdefault(match.group(1), []).append(path)
        return found


def _modified(paths: Sequence[Path]) -> dt.datetime:
    return dt.datetime.fromtimestamp(max(path.stat().st_mtime for path in paths), dt.UTC)


class HttpShards:
    """An HTTP listing of gzipped JSON lines: how the sandbox serves its export."""

    def __init__(self, base_url: str, token: str, timeout_s: float) -> None:
        self._base_url, self._timeout_s = base_url, timeout_s
        self._headers = {"Authorization": f"Bearer {token}"}
        self._api = Api("ga4", base_url, headers=self._headers, timeout_s=timeout_s)
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers.update(self._headers)

    def list_shards(self) -> list[Shard]:
        """The listed files that are whole days."""
        return sorted(
            Shard(match.group(1), dt.datetime.fromisoformat(entry["last_modified"]))
            for entry in self._api.get("/export/")["files"]
            if (match := FILE.fullmatch(entry["name"]))
        )

    def open_shard(self, shard: Shard, folder: Path) -> list[Path]:
        """Download; a file cut off on the way is asked for again."""
        target = folder / f"{shard.table}.jsonl.gz"
        retrying()(self._download, f"/export/{target.name}", target)
        return [target]

    def _download(self, path: str, target: Path) -> None:
        with self._session.get(f"{self._base_url}{path}", timeout=self._timeout_s, stream=True) as response:
            if response.status_code >= 400:
                wait_s = retry_after(response.headers.get("Retry-After"))
                problem = "the key was refused" if response.status_code == 401 else "no shard"
                raise SourceError("ga4", f"GET {path}", problem, status=response.status_code, wait_s=wait_s)
            unpack = zlib.decompressobj(31)
            try:
                with target.open("wb") as out:
                    for chunk in response.iter_content(CHUNK):
                        out.write(chunk)
                        unpack.decompress(chunk)
            except zlib.error:
                raise SourceError("ga4", f"GET {path}", "answer is not gzip") from None
            if not unpack.eof:
                raise SourceError("ga4", f"GET {path}", "the file was cut off")
