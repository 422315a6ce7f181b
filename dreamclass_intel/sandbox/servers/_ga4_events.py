"""The export's rows: sessions of the world rendered as GA4 event shards (JSON lines, INT64 as strings).

Besides the rows, what GA4 itself would report of the same rows, so that the Data API cannot disagree.
"""

import datetime as dt
import gzip
import json
import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import NamedTuple

from dreamclass_intel.sandbox.model import Session
from dreamclass_intel.sandbox.schools import COUNTRIES
from dreamclass_intel.sandbox.traffic import day_bounds, local_day
from dreamclass_intel.sandbox.world import World

SITE_URL = "https://www.dreamclass.io"
STREAM_ID = "6601223344"
KEY_EVENTS = frozenset({"sign_up", "generate_lead", "start_trial"})
# When Google added what a shard holds; older shards lack it for ever.
BATCHES_FROM = LAST_CLICK_FROM = dt.date(2024, 7, 17)
GS2_COOKIE_FROM = dt.date(2025, 5, 6)  # from here on some tags send the raw cookie as session id
OCCURRENCE_FROM = dt.date(2026, 6, 1)
UNKNOWN_COLUMN_ON = (3, 13)  # month and day whose shard has a column nobody announced
_TWICE = frozenset(3 + 997 * n for n in range(4))
_TIMED = frozenset({"user_engagement", "scroll"})
_IMPLIED = {"organic": "(organic)", "referral": "(referral)"}
_KEPT_BYTES = 48_000_000  # of rendered shards held in memory
_TITLES = {"/": "School management software | DreamClass", "/pricing": "Pricing | DreamClass"}
_DAY = dt.timedelta(days=1)


@lru_cache(maxsize=256)
def default_channel_group(source: str, medium: str) -> str:
    """GA4's default channel group for the sources that the world uses (support article 9756891)."""
    paid = re.fullmatch(r".*cp.*|ppc|retargeting|paid.*", medium) is not None
    search = source in ("google", "bing", "duckduckgo")
    social = source in ("facebook", "facebook.com", "instagram", "linkedin", "linkedin.com")
    rules = (
        (source == "(direct)" and medium in ("(none)", "(not set)"), "Direct"),
        (medium == "ai-assistant", "AI Assistant"),
        (search and paid, "Paid Search"),
        (social and paid, "Paid Social"),
        (paid, "Paid Other"),
        (social or medium == "social", "Organic Social"),
        (source == "youtube.com", "Organic Video"),
        (search or medium == "organic", "Organic Search"),
        (medium == "referral", "Referral"),
        (medium in ("email", "e-mail"), "Email"),
    )
    return next((group for holds, group in rules if holds), "Unassigned")


class Seen(NamedTuple):
    """A hit on a day, with what the tag knew when it was sent."""

    offset_s: int
    number: int
    name: str
    path: str
    engaged: bool
    engagement_ms: int
    referrer: str | None


@dataclass
class Numbers:
    """What GA4 reports of a set of rows. Users and sessions are counted distinct, so they do not add up."""

    events: int = 0
    key_events: int = 0
    sessions: set[tuple[str, int]] = field(default_factory=set)
    engaged: set[tuple[str, int]] = field(default_factory=set)
    users: set[str] = field(default_factory=set)
    new_users: set[str] = field(default_factory=set)

    def count(self, session: Session, rows: list[Seen]) -> None:
        """Add a session's rows."""
        self.events += len(rows)
        if session.client_id is None:
            return
        key = (session.client_id, session.ga_session_id)
        self.users.add(session.client_id)
        self.sessions.add(key)
        names = [row.name for row in rows]
        if any(row.engaged for row in rows):
            self.engaged.add(key)
        if "first_visit" in names:
            self.new_users.add(session.client_id)
        if not KEY_EVENTS.isdisjoint(names):
            self.key_events += sum(name in KEY_EVENTS for name in names)

    def metrics(self) -> dict[str, int]:
        """By the Data API's names."""
        return {
            "sessions": len(self.sessions),
            "engagedSessions": len(self.engaged),
            "totalUsers": len(self.users),
            "newUsers": len(self.new_users),
            "eventCount": self.events,
            "keyEvents": self.key_events,
        }


class _Index(NamedTuple):
    first_touch: dict[str, tuple[str, str, str | None]]  # client id -> source, medium, campaign
    overnight: tuple[Session, ...]  # sessions that go on after midnight


class Export:
    """Shards of a world. Pure of the clock: a shard is a function of its day and publication."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._indexes: dict[dt.date, _Index] = {}
        self._shards: OrderedDict[tuple[dt.date, int], bytes] = OrderedDict()
        self._held = 0
        self._lock = threading.RLock()  # one day at a time: threads would only do the same work twice
        self._reports: dict[tuple[dt.date, int], dict[str, dict[str, int]]] = {}

    def shard(self, day: dt.date, max_late: int) -> bytes:
        """The rows of a day with the hits known by a publication, as gzipped JSON lines."""
        with self._lock:
            return self._shards.get((day, max_late)) or self._render(day, max_late)

    def prepare(self, now: dt.datetime) -> None:
        """Render the shards that exist at `now`, oldest first, while there is room to keep them."""
        day = self.world.config.start
        while (version := self.world.shard(day, now)) and self._held < _KEPT_BYTES * 0.95:
            self.shard(day, version.max_late)
            day += _DAY

    def _render(self, day: dt.date, max_late: int) -> bytes:
        lines: list[str] = []
        numbers: dict[str, Numbers] = {}
        for session, rows in self._day(day, max_late):
            _count(numbers, session, rows)
            lines += render(day, session, rows, self._first_touch(session))
        self._reports[day, max_late] = _reported(numbers)
        found = self._shards[day, max_late] = gzip.compress("".join(lines).encode(), 1, mtime=0)
        self._held += len(found)
        while self._held > _KEPT_BYTES:
            self._held -= len(self._shards.popitem(last=False)[1])
        return found

    def report(self, day: dt.date, max_late: int) -> dict[str, dict[str, int]]:
        """Metrics of the very same rows by default channel group; "" is the whole day."""
        key = (day, max_late)
        with self._lock:
            if key not in self._reports:
                numbers: dict[str, Numbers] = {}
                for session, rows in self._day(day, max_late):
                    _count(numbers, session, rows)
                self._reports[key] = _reported(numbers)
            return self._reports[key]

    def intraday(self, day: dt.date, now: dt.datetime) -> bytes:
        """The streamed rows of an unfinished day up to `now`."""
        until = int(now.timestamp())
        lines: list[str] = []
        with self._lock:
            for session, rows in self._day(day, 0):
                known = [row for row in rows if session.ga_session_id + row.offset_s <= until]
                lines += render(day, session, known, None)
        return gzip.compress("".join(lines).encode(), 1, mtime=0)

    def _day(self, day: dt.date, max_late: int) -> Iterator[tuple[Session, list[Seen]]]:
        start, end = (int(at.timestamp()) for at in day_bounds(day))
        sessions = self.world.sessions(day)
        self._index(day, sessions)
        for session in (*self._index(day - _DAY).overnight, *sessions):
            first = session.ga_session_id
            rows = walk(session, start - first, end - first, max_late)
            if rows:
                yield session, rows

    def _index(self, day: dt.date, sessions: list[Session] | None = None) -> _Index:
        found = self._indexes.get(day)
        if found is None:
            sessions = self.world.sessions(day) if sessions is None else sessions
            end = day_bounds(day)[1]
            found = self._indexes[day] = _Index(
                {
                    s.client_id: (s.source, s.medium, s.campaign)
                    for s in sessions
                    if s.ga_session_number == 1 and s.client_id
                },
                tuple(s for s in sessions if s.ended_at >= end),
            )
        return found

    def _first_touch(self, session: Session) -> tuple[str, str, str | None] | None:
        if session.client_id is None:
            return None
        if session.ga_session_number == 1:
            return session.source, session.medium, session.campaign
        born = local_day(dt.datetime.fromtimestamp(int(session.client_id.split(".")[1]), dt.UTC))
        return self._index(born).first_touch.get(session.client_id, ("(direct)", "(none)", None))


def _count(numbers: dict[str, Numbers], session: Session, rows: list[Seen]) -> None:
    group = default_channel_group(session.source, session.medium) if session.consent else "Unassigned"
    for name in (group, ""):
        numbers.setdefault(name, Numbers()).count(session, rows)


def _reported(numbers: dict[str, Numbers]) -> dict[str, dict[str, int]]:
    return {name: found.metrics() for name, found in numbers.items()}


def walk(session: Session, start_s: int, end_s: int, max_late: int) -> list[Seen]:
    """The rows of a session between two offsets, as of a publication, with the tag's state at each.

    A session is engaged after 10 s, at a second page or a key event. About 1 hit in 1000 is sent twice.
    """
    last, views, foreground, engaged = 0, 0, 0, False
    page, referrer = session.landing_page, session.referrer
    twice = session.ga_session_id * 31 % 997
    out = []
    for index, (offset, name, path, late) in enumerate(session.pages):
        gap = offset - last if offset - last < 900 else 900
        last = offset
        foreground += gap
        if name == "page_view":
            views += 1
        if not engaged:
            engaged = foreground > 10 or views > 1 or name in KEY_EVENTS
        if path != page:
            referrer, page = SITE_URL + page, path
        if start_s <= offset < end_s and late <= max_late:
            spent = gap * 1000 if name in _TIMED else 0
            row = Seen(offset, index, name, path, engaged, spent, referrer)
            out.append(row)
            if twice + index * 7 in _TWICE:
                out.append(row)
    return out


@lru_cache(maxsize=4096)
def _text(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


@lru_cache(maxsize=4096)
def _tags(keys: tuple[str, ...], values: tuple[str | None, ...]) -> str:
    """An object without its nulls, as BigQuery exports it."""
    found = {k: v for k, v in zip(keys, values, strict=True) if v is not None}
    return json.dumps(found, separators=(",", ":"))


@lru_cache(maxsize=1024)
def _page(path: str, query: str, referrer: str | None) -> str:
    title = _TITLES.get(path) or path.rsplit("/", 1)[-1].replace("-", " ").capitalize() + " | DreamClass"
    pairs = [("page_location", f"{SITE_URL}{path}{query}"), ("page_title", title)]
    if referrer:
        pairs.append(("page_referrer", referrer))
    return ",".join(f'{{"key":"{k}","value":{{"string_value":{_text(v)}}}}}' for k, v in pairs)


def render(
    day: dt.date, session: Session, rows: list[Seen], first_touch: tuple[str, str, str | None] | None
) -> list[str]:
    """A session's rows as JSON lines. What they share is rendered once."""
    sid, source, medium, consent = session.ga_session_id, session.source, session.medium, session.consent
    campaign = session.campaign or _IMPLIED.get(medium)
    micros = f"{sid * 7919 % 1_000_000:06d}"
    head = f'{{"event_date":"{day:%Y%m%d}","event_timestamp":"'
    query, tail = _query(session), _tail(day, session, campaign, first_touch)
    params = _session_params(day, session)
    # Google's tag sends a string, server-side tagging a number; both are in real exports.
    kind = "int_value" if sid % 10 == 7 else "string_value"
    bundle, batches, occurrence = sid % 1_000_000 * 100, day >= BATCHES_FROM, day >= OCCURRENCE_FROM
    out = []
    for offset, index, name, path, engaged, engagement_ms, referrer in rows:
        stamp = f"{sid + offset}{micros}"
        more = collected = ""
        if consent:
            more = f',{{"key":"session_engaged","value":{{"{kind}":"{"1" if engaged else "0"}"}}}}'
        if engagement_ms:
            more += f',{{"key":"engagement_time_msec","value":{{"int_value":"{engagement_ms}"}}}}'
        if offset == 0 and name == "page_view":
            entrance, collected = _entrance(source, medium, campaign, sid)
            more += entrance
        if batches:
            collected += (
                f',"batch_event_index":"{index + 1}","batch_page_id":"{sid}{index // 8:03d}",'
                f'"batch_ordering_id":"{index // 4 + 1}"'
            )
        if occurrence:
            collected += f',"event_original_occurrence_timestamp":"{stamp}"'
        out.append(
            f'{head}{stamp}","event_name":"{name}","event_params":['
            f"{_page(path, '' if offset else query, referrer)}{params}{more}],"
            f'"event_bundle_sequence_id":"{bundle + index}"{collected}{tail}'
        )
    return out


def _session_params(day: dt.date, session: Session) -> str:
    if not session.consent:
        return ""
    number, sid = session.ga_session_number, session.ga_session_id
    value = f'"int_value":"{sid}"'
    if day >= GS2_COOKIE_FROM and sid % 50 == 11:
        value = f'"string_value":"s{sid}$o{number}$g1$t{sid}"'
    return (
        f',{{"key":"ga_session_number","value":{{"int_value":"{number}"}}}}'
        f',{{"key":"ga_session_id","value":{{{value}}}}}'
    )


def _entrance(source: str, medium: str, campaign: str | None, sid: int) -> tuple[str, str]:
    """The additional parameters and columns of the page view a session comes in by."""
    params = ',{"key":"entrances","value":{"int_value":"1"}}'
    if source == "(direct)":
        return params, ""
    named = (("source", source), ("medium", medium), ("campaign", campaign))
    params += "".join(f',{{"key":"{k}","value":{{"string_value":{_text(v)}}}}}' for k, v in named if v)
    column = _tags(("manual_source", "manual_medium", "manual_campaign_name"), (source, medium, campaign))
    if source == "google" and medium == "cpc":
        column = f'{column[:-1]},"gclid":"Cj0K{sid}"}}'
    return params, f',"collected_traffic_source":{column}'


def _tail(
    day: dt.date,
    session: Session,
    campaign: str | None,
    first_touch: tuple[str, str, str | None] | None,
) -> str:
    yes = "Yes" if session.consent else "No"
    out = ""
    if session.consent and session.user_id:
        out += f',"user_id":"{session.user_id}"'
    if session.client_id:
        first_seen = session.client_id.split(".")[1]
        out += f',"user_pseudo_id":"{session.client_id}","user_first_touch_timestamp":"{first_seen}000000"'
    if first_touch:
        source, medium, name = first_touch
        name = name or _IMPLIED.get(medium) or "(direct)"
        out += f',"traffic_source":{_tags(("name", "medium", "source"), (name, medium, source))}'
    if session.consent and day >= LAST_CLICK_FROM:
        out += _last_click(session.source, session.medium, campaign)
    if (day.month, day.day) == UNKNOWN_COLUMN_ON:
        out += ',"surface_info":{"entry":"web","depth":"1"}'
    return (
        f'{out},"is_active_user":{"true" if session.consent else "false"},"user_properties":[],"items":[],'
        f'"privacy_info":{{"analytics_storage":"{yes}","ads_storage":"{yes}","uses_transient_token":"No"}}'
        + _surroundings(session.device, session.os, session.browser, session.language, session.country)
        + f'{_text(session.city)}}},"stream_id":"{STREAM_ID}","platform":"WEB"}}\n'
    )


@lru_cache(maxsize=1024)
def _surroundings(device: str, system: str, browser: str, language: str, country: str) -> str:
    return (
        f',"device":{{"category":"{device}","operating_system":"{system}","language":"{language}",'
        f'"web_info":{{"browser":"{browser}","hostname":"www.dreamclass.io"}}}}'
        f',"geo":{{"country":{_text(COUNTRIES[country].name)},"city":'
    )


@lru_cache(maxsize=1024)
def _last_click(source: str, medium: str, campaign: str | None) -> str:
    direct = source == "(direct)"
    manual = ("(not set)",) * 3 if direct else (source, medium, campaign or "(not set)")
    crossed = (source, medium, "(direct)" if direct else campaign or "(not set)")
    keys = ("source", "medium", "campaign_name")
    group = default_channel_group(source, medium)
    return (
        f',"session_traffic_source_last_click":{{"manual_campaign":{_tags(keys, manual)},"cross_channel_campaign":'
        + _tags((*keys, "default_channel_group"), (*crossed, group))
        + "}"
    )


def _query(session: Session) -> str:
    if session.campaign is None or session.medium == "ai-assistant":
        return ""
    query = f"?utm_source={session.source}&utm_medium={session.medium}&utm_campaign={session.campaign}"
    # A careless newsletter tool puts the reader's address into its links.
    if session.medium == "email" and session.ga_session_id % 5 == 0:
        query += f"&reader=reader{session.ga_session_id % 1000}%40example.org"
    return query
