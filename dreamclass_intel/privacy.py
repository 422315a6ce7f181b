"""Personal data leave here only as keyed hashes: e-mails as HMAC-SHA256 plus domain, the rest by allow-list."""

import hashlib
import hmac
import re
from collections.abc import Collection, Mapping
from typing import Any

from dreamclass_intel.settings import load_settings

EMAIL = re.compile(r"[A-Za-z0-9._%+'-]+@([A-Za-z0-9.-]+\.[A-Za-z]{2,})")


def email_hash(email: str | None) -> str | None:
    """HMAC-SHA256 (hex) of the trimmed, lower-cased address under PII_KEY; None for none."""
    if not email or not email.strip():
        return None
    key = load_settings().pii_key.get_secret_value().encode()
    return hmac.new(key, email.strip().lower().encode(), hashlib.sha256).hexdigest()


def email_domain(email: str | None) -> str | None:
    """Lower-case domain of an address; None when there is none."""
    match = EMAIL.fullmatch(email.strip()) if email else None
    return match.group(1).lower() if match else None


def scrub(record: Mapping[str, Any], personal: Collection[str]) -> dict[str, Any]:
    """Copy of a vendor record fit for `_raw`: fields named in `personal` (at any depth) are removed, and
    every e-mail address left in any text is replaced by its domain."""

    def clean(value: Any) -> Any:
        if isinstance(value, str):
            return EMAIL.sub(r"[e-mail]@\1", value) if "@" in value else value
        if value is None or isinstance(value, int):  # most values; ABC checks are slow
            return value
        if isinstance(value, dict | Mapping):
            return {k: clean(v) for k, v in value.items() if k not in personal}
        if isinstance(value, list | tuple):
            return [clean(v) for v in value]
        return value

    return clean(record)
