"""Marketing channels: which source, medium, campaign and referrer a visit through each of them carries.

Lives here: the tagging habits of the simulated company (including its untidy ones). Shares are in
`regimes.py`.
"""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from .rng import Draw, Weighted

AI_MEDIUM_FROM = date(2026, 5, 13)  # from here on the analytics vendor marks AI assistants with a medium


class Tag(NamedTuple):
    """How a visit is tagged."""

    source: str
    medium: str
    campaign: str | None
    referrer: str | None


_G = "https://www.google.com/"
_TAGS: dict[str, Weighted[Tag]] = {
    "organic_search": Weighted([(Tag("google", "organic", None, _G), 0.88),
                                (Tag("bing", "organic", None, "https://www.bing.com/"), 0.08),
                                (Tag("duckduckgo", "organic", None, "https://duckduckgo.com/"), 0.04)]),
    "direct": Weighted([(Tag("(direct)", "(none)", None, None), 1.0)]),
    "paid_search": Weighted([(Tag("google", "cpc", "brand_en", _G), 0.35), (Tag("google", "cpc",
    "sms_generic", _G), 0.45),
                             (Tag("bing", "cpc", "sms_generic", "https://www.bing.com/"), 0.20)]),
    "paid_social": Weighted([(Tag("facebook", "paid_social", "free_trial_push", "https://l.facebook.com/"),
    0.6),
                             (Tag("instagram", "paid_social", "free_trial_push", "https://l.instagram.com/"),
                             0.3),
                             (Tag("linkedin", "paid_social", "directors", "https://www.linkedin.com/"),
                             0.1)]),
    "referral": Weighted([(Tag("edtechdigest.example", "referral", None,
    "https://edtechdigest.example/tools"), 0.5),
                          (Tag("schooladmin.example", "referral", None, "https://schooladmin.example/blog"),
                          0.5)]),
    "organic_social": Weighted([(Tag("facebook.com", "social", None, "https://www.facebook.com/"), 0.5),
                                (Tag("linkedin.com", "referral", None, "https://www.linkedin.com/"), 0.3),
                                (Tag("youtube.com", "referral", None, "https://www.youtube.com/"), 0.2)]),
    "email": Weighted([(Tag("newsletter", "email", "monthly_digest", None), 0.7),
                       (Tag("Newsletter", "e-mail", "webinar_followup", None), 0.3)]),
    "review_site": Weighted([(Tag("g2.com", "referral", None, "https://www.g2.com/"), 0.5),
                             (Tag("capterra", "cpc", "capterra_listing", "https://www.capterra.com/"), 0.5)]),
    "ai_assistant": Weighted([(Tag("chatgpt.com", "referral", None, "https://chatgpt.com/"), 0.8),
                              (Tag("gemini.google.com", "referral", None, "https://gemini.google.com/"),
                              0.2)]),
}  # fmt: skip
CHANNELS = tuple(_TAGS)


def tag(channel: str, day: date, d: Draw) -> Tag:
    """How one visit through `channel` is tagged on `day`."""
    found = d.pick(_TAGS[channel])
    if channel == "ai_assistant" and day >= AI_MEDIUM_FROM:
        return Tag(found.source, "ai-assistant", "(ai-assistant)", found.referrer)
    return found
