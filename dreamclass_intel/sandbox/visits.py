"""One web session, hit by hit, and the device it comes from: shared by journeys, prospects and anonymous
traffic.

Lives here: what people do on the web site. Who comes, and how many, is in `journeys.py`, `intent.py`,
`traffic.py`.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from .channels import tag
from .model import Hit, Session
from .rng import Draw, Weighted

CONSENT_DENIED = 0.07
LATE_SHARES = (0.97, 0.02, 0.01)  # of hits: in the first, second, third publication of the day's shard
_LANDING = Weighted([("/", 0.38), ("/blog/school-management-software", 0.12), ("/features", 0.10),
    ("/pricing", 0.10),
                     ("/blog/gradebook-templates", 0.09), ("/language-schools", 0.07), ("/music-schools",
                     0.06),
                     ("/blog/attendance-tracking", 0.05), ("/lp/free-trial", 0.03)])  # fmt: skip
_NEXT = Weighted([("/features", 0.22), ("/pricing", 0.25), ("/demo", 0.08), ("/about", 0.08), ("/help", 0.10),
                  ("/integrations", 0.07), ("/customers", 0.10), ("/", 0.10)])  # fmt: skip


class Device(NamedTuple):
    """A browser on a device."""

    device: str
    os: str
    browser: str


DEVICES = Weighted([(Device("desktop", "Windows", "Chrome"), 0.38), (Device("desktop", "Windows", "Edge"),
    0.07),
                     (Device("desktop", "Macintosh", "Safari"), 0.10), (Device("desktop", "Macintosh",
                     "Chrome"), 0.07),
                     (Device("mobile", "iOS", "Safari"), 0.18), (Device("mobile", "Android", "Chrome"), 0.17),
                     (Device("tablet", "iOS", "Safari"), 0.03)])  # fmt: skip
_HOUR = Weighted([(h, w) for h, w in enumerate(
    (1, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 9, 9, 10, 10, 10, 9, 8, 7, 6, 6, 5, 3, 2))])  # fmt: skip


def device(d: Draw) -> Device:
    """A device."""
    return d.pick(DEVICES)


def moment(day: date, d: Draw, sharp: float = 0.0) -> datetime:
    """A moment of a UTC day, by the hours people are awake; `sharp` > 0 keeps to office hours."""
    hour = 7 + d.below(11) if sharp and d.chance(sharp) else d.pick(_HOUR)
    return datetime(day.year, day.month, day.day, hour, d.below(60), d.below(60), tzinfo=UTC)


def client_id(first_seen: datetime, d: Draw) -> str:
    """An analytics client id: a random number and the second of the first visit."""
    return f"{100000000 + d.below(2047483647)}.{int(first_seen.timestamp())}"


def late_class(d: Draw) -> int:
    """In which publication of the shard a hit first appears."""
    u = d.u()
    return 0 if u < LATE_SHARES[0] else 1 if u < LATE_SHARES[0] + LATE_SHARES[1] else 2


def hits(d: Draw, first_visit: bool, mean_pages: float, landing: str | None = None,
         goal: tuple[tuple[int, str, str], ...] = ()) -> tuple[Hit, ...]:  # fmt: skip
    """The hits of a session; `goal` = (offset, event, path) of conversions at fixed offsets."""
    page = landing or d.pick(_LANDING)
    out = [Hit(0, "session_start", page, late_class(d))]
    if first_visit:
        out.append(Hit(0, "first_visit", page, late_class(d)))
    at, limit = 0, goal[0][0] if goal else 5400
    pages = 1
    while pages < 12 and d.chance(1 - 1 / mean_pages):
        pages += 1
    for number in range(pages):
        out.append(Hit(at, "page_view", page, late_class(d)))
        stay = int(d.lognormal(28, 1.0)) + 3
        stay = min(stay, 900, max(limit - at - 2, 1) if goal else 900)
        if d.chance(0.42):
            out.append(Hit(at + stay // 2, "scroll", page, late_class(d)))
        if stay > 9:
            out.append(Hit(at + stay, "user_engagement", page, late_class(d)))
        if d.chance(0.10):
            out.append(Hit(at + stay, "click", page, late_class(d)))
        at += stay + 1
        if at >= limit:
            break
        page = d.pick(_NEXT) if number < pages - 1 else page
    if goal:
        out.append(Hit(max(goal[0][0] - 20, 0), "page_view",
            "/signup" if goal[0][1] == "sign_up" else "/demo",
                       late_class(d)))  # fmt: skip
        out.append(Hit(max(goal[0][0] - 12, 0), "form_start", out[-1].path, late_class(d)))
        out.extend(Hit(o, name, path, late_class(d)) for o, name, path in goal)
    out.sort(key=lambda h: h.offset_s)
    return tuple(out)


class Visitor(NamedTuple):
    """What stays the same over a person's visits on one device."""

    client_id: str | None
    device: Device
    country: str
    city: str
    language: str
    school_id: str | None


def session(d: Draw, who: Visitor, number: int, started_at: datetime, channel: str, mean_pages: float,
            user_id: str | None = None, goal: tuple[tuple[int, str, str], ...] = (),
            tagged: tuple[str, str, str | None, str | None] | None = None) -> Session:  # fmt: skip
    """One session of a visitor."""
    source, medium, campaign, referrer = tagged or tag(channel, started_at.date(), d)
    landing = "/lp/free-trial" if channel == "paid_social" and d.chance(0.7) else None
    pages = hits(d, number == 1, mean_pages, landing, goal)
    return Session(
        who.client_id, int(started_at.timestamp()), number, started_at, source, medium, campaign, channel,
        referrer,
        pages[0].path, pages, who.country, who.city, who.device.device, who.device.browser, who.device.os,
        who.language, who.client_id is not None, user_id, who.school_id,
    )  # fmt: skip


def whole(at: datetime) -> datetime:
    """The moment without fractions of a second."""
    return at.replace(microsecond=0)


def after(at: datetime, d: Draw, low_hours: float, high_hours: float) -> datetime:
    """A moment some hours later, to the second."""
    return whole(at + timedelta(hours=d.between(low_hours, high_hours)))
