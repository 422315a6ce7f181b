"""This machine's clock against the vendors': the Date header of their answers. Pure."""

import datetime as dt
import email.utils
from collections.abc import Sequence

from dreamclass_intel.doctor.report import Aspect, Finding, Level
from dreamclass_intel.glance import Heard

TOLERANCE_S = 60.0


def skew_s(heard: Heard) -> float | None:
    """Seconds by which the vendor's clock is ahead of ours; None if it does not tell.

    The header has whole seconds (the middle of one is meant), and an answer out of a cache is as old as its Age says.
    """
    try:
        theirs = email.utils.parsedate_to_datetime(heard.headers["date"])
        age = float(heard.headers.get("age", "0"))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    theirs = theirs if theirs.tzinfo else theirs.replace(tzinfo=dt.UTC)
    return (theirs - heard.at).total_seconds() + 0.5 + age


def clock_finding(heard: Sequence[Heard]) -> Finding | None:
    """The smallest skew of all answers (a slow answer's date is old); a warning above a minute."""
    known = [skew for skew in map(skew_s, heard) if skew is not None]
    if not known:
        return None
    skew = min(known, key=abs)
    shown = f"{skew:+.0f} s".replace("-0 s", "+0 s")
    if abs(skew) <= TOLERANCE_S:
        return Finding(Aspect.CLOCK, Level.OK, shown)
    relation = "behind" if skew > 0 else "ahead of"
    return Finding(
        Aspect.CLOCK,
        Level.WARNING,
        shown,
        f"this machine's clock is {abs(skew):.0f} s {relation} the vendor's: days and tokens go by it, set it by NTP",
    )
