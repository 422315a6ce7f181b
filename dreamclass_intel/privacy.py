"""Personal data leave here only as keyed hashes: e-mails as HMAC-SHA256 plus domain, the rest by allow-list."""

import hashlib
import hmac
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any

import idna

from dreamclass_intel.settings import load_settings

SPACE = r"\s"
LOCAL = r'[^%s@<>"(),;:\[\]\\/=?]+'


def email_pattern(space: str) -> str:
    """Regular expression of an address, plain or URL-encoded, whose group is the domain; for Python and RE2, which
    differ in what matches all `space`.

    Names and domains may be of any script. Of all non-ASCII only spaces and IDNA's own dots end a label: a letter's
    combining marks count as no letters.
    """
    ends = rf"{space}。．｡"
    label = rf"[^\x00-,./:-@\[-^`{{-\x7f{ends}]+"
    top = rf"(?:[Xx][Nn]--[A-Za-z0-9-]+|[^\x00-@\[-`{{-\x7f{ends}]{{2,}})"
    return rf"{LOCAL % space}(?:@|%40)((?:{label}[.。．｡])+{top})"


EMAIL = re.compile(email_pattern(SPACE))
# A word without an address is passed in one step, not tried again from each of its characters.
_WORD = re.compile(rf"{EMAIL.pattern}|{LOCAL % SPACE}")


def email_hash(email: str | None) -> str | None:
    """HMAC-SHA256 (hex) of the trimmed, lower-cased address under PII_KEY; None for none."""
    if not email or not email.strip():
        return None
    key = load_settings().pii_key.get_secret_value().encode()
    return hmac.new(key, email.strip().lower().encode(), hashlib.sha256).hexdigest()


def email_domain(email: str | None) -> str | None:
    """Domain of an address, lower case and in its ASCII form (IDNA); None when there is none."""
    match = EMAIL.fullmatch(email.strip()) if email else None
    if match is None:
        return None
    try:
        return match[1].lower() if match[1].isascii() else idna.encode(match[1], uts46=True).decode("ascii")
    except (idna.IDNAError, UnicodeError):
        return None


def scrub(record: Mapping[str, Any], personal: Collection[str]) -> dict[str, Any]:
    """Copy of a vendor record fit for `_raw`: fields named in `personal` (at any depth, in any case) are removed,
    and every e-mail address left in any text is replaced by its domain."""
    names = _folded(frozenset(personal))

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return _WORD.sub(_masked, value) if "@" in value or "%40" in value else value
        if value is None or isinstance(value, int):  # most values; ABC checks are slow
            return value
        if isinstance(value, dict | Mapping):
            return {k: clean(v) for k, v in value.items() if k.casefold() not in names}
        if isinstance(value, list | tuple):
            return [clean(v) for v in value]
        return value

    return clean(record)


@lru_cache(maxsize=64)
def _folded(names: frozenset[str]) -> frozenset[str]:
    return frozenset(name.casefold() for name in names)


def _masked(match: re.Match[str]) -> str:
    return f"[e-mail]@{match[1]}" if match[1] else match[0]
