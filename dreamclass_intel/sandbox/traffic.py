"""Anonymous web traffic: the sessions of people who never leave an address, one reporting day at a time.

Lives here: how many come and who comes back. A day is a pure function of (seed, date, scale) and nothing is
kept.
"""

from __future__ import annotations

import bisect
import math
from datetime import UTC, date, datetime, time, timedelta

from . import regimes
from .model import Session, ShardVersion
from .rng import Draw, Weighted, crc
from .schools import COUNTRIES, COUNTRY_TABLE
from .visits import CONSENT_DENIED, DEVICES, Visitor, session

RETURNING = 0.26
MEMORY_DAYS = 20


def day_bounds(day: date) -> tuple[datetime, datetime]:
    """The UTC bounds of a day of the reporting time zone (23, 24 or 25 hours)."""
    start = datetime.combine(day, time(), regimes.ZONE).astimezone(UTC)
    return start, datetime.combine(day + timedelta(days=1), time(), regimes.ZONE).astimezone(UTC)


def local_day(at: datetime) -> date:
    """The day of a moment in the reporting time zone."""
    return at.astimezone(regimes.ZONE).date()


def _profile() -> list[float]:
    weights = (2, 1, 1, 1, 1, 1, 2, 4, 6, 8, 9, 9, 8, 8, 9, 9, 9, 9, 8, 7, 7, 7, 6, 4)
    return [sum(weights[:hour]) / sum(weights) for hour in range(25)]


_CUM = _profile()


def _share_of_day(quantile: float) -> float:
    """The inverse of the cumulative profile of the hours, linear inside an hour."""
    hour = min(bisect.bisect_right(_CUM, quantile), 24) - 1
    return (hour + (quantile - _CUM[hour]) / (_CUM[hour + 1] - _CUM[hour])) / 24


def _mix(value: int) -> int:
    """A 64-bit finaliser (splitmix64)."""
    value = (value + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return value ^ (value >> 31)


def _visitor(seed: int, day: date, index: int) -> tuple[Visitor, datetime]:
    """New visitor `index` of a day: the same whenever it is asked for, so that people can come back."""
    key = _mix(
        _mix(seed * 1000003 + day.toordinal()) ^ (index * 0x5851F42D4C957F2D & 0xFFFFFFFFFFFFFFFF) ^ crc("visitor")
    )
    start, end = day_bounds_cached(day)
    quantile = (key & 0xFFFFF) / 0x100000
    share = _share_of_day(quantile)
    seen = start + timedelta(seconds=int(share * (end - start).total_seconds()))
    more = _mix(key)
    kind = DEVICES.at((more & 0xFFFF) / 0x10000)
    iso = COUNTRY_TABLE.at(((more >> 16) & 0xFFFF) / 0x10000)
    country = COUNTRIES[iso]
    city = country.cities[((more >> 32) & 0xFF) % len(country.cities)][0]
    consent = ((more >> 40) & 0xFFFF) / 0x10000 >= CONSENT_DENIED
    client = f"{100000000 + (key >> 24) % 2047483647}.{int(seen.timestamp())}" if consent else None
    return Visitor(client, kind, iso, city, country.language, None), seen


_BOUNDS: dict[date, tuple[datetime, datetime]] = {}


def day_bounds_cached(day: date) -> tuple[datetime, datetime]:
    """`day_bounds`, remembered."""
    found = _BOUNDS.get(day)
    if found is None:
        found = _BOUNDS[day] = day_bounds(day)
    return found


def expected(day: date, scale: float) -> float:
    """Expected number of anonymous sessions of a day."""
    share = sum(regimes.traffic_shares(day).values())
    return scale * regimes.ANONYMOUS_PER_DAY * regimes.TRAFFIC_WEEKDAY[day.weekday()] * share


def anonymous_sessions(seed: int, day: date, scale: float) -> list[Session]:
    """The anonymous sessions that start on a reporting day, in order of time."""
    d = Draw(seed, day.toordinal(), "sessions")
    noise = math.exp(regimes.TRAFFIC_DAY_SD * d.normal())
    count = max(1, round(expected(day, scale) * noise))
    channels = Weighted(list(regimes.traffic_shares(day).items()))
    start, end = day_bounds_cached(day)
    length = (end - start).total_seconds()
    out = []
    known: set[tuple[str, int]] = set()
    for index in range(count):
        number, at = 1, None
        if d.chance(RETURNING):
            past = day - timedelta(days=1 + int(MEMORY_DAYS * d.u() ** 2))
            if past >= regimes.START:
                pool = max(1, int(expected(past, scale) * 0.6))
                who, _ = _visitor(seed, past, d.below(pool))
                number = 2 + d.below(3)
                at = start + timedelta(seconds=int(_share_of_day(d.u()) * length))
        if at is None:
            who, at = _visitor(seed, day, index)
        if who.client_id is not None:
            key = (who.client_id, int(at.timestamp()))
            if key in known:
                continue
            known.add(key)
        channel = (
            channels.at(d.u()) if number == 1 or d.chance(0.4) else "direct" if d.chance(0.5) else channels.at(d.u())
        )
        out.append(session(d, who, number, at, channel, 1.62))
    out.sort(key=lambda s: (s.started_at, s.client_id or ""))
    return out


def shard_versions(day: date) -> list[ShardVersion]:
    """The publications of a reporting day's shard: the next afternoon, then twice more with late hits."""
    first = datetime.combine(day + timedelta(days=1), time(14), UTC)
    first += timedelta(minutes=(day.toordinal() * 37) % 97)
    return [ShardVersion(n + 1, first + timedelta(days=n), n) for n in range(3)]
