"""How a rule looks on a chart: its letter, shape, colour and legend, and the zone lines a preset is judged by.

A rule that has no row here gets a letter of its own name and a cross, so that no signal is ever left unmarked.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from dreamclass_intel.xmr.rules import PRECEDENCE


class Look(NamedTuple):
    """The letter an event carries, the shape and colour class of its members, and its legend."""

    letter: str
    shape: str
    colour: str
    words: str


# pattern of the rule's name -> look; {} is what the pattern's group holds
_LOOKS = {
    r"outside_limits": Look("L", "diamond", "o", "outside a limit"),
    r"run_of_(\d+)": Look("R", "square", "r", "{} or more in a row on one side"),
    r"3_of_4": Look("H", "triangle", "h", "3 of 4 beyond half-way to a limit"),
    r"2_of_3": Look("N", "triangle", "h", "2 of 3 beyond two thirds of the way to a limit"),
    r"2_of_3_near_limit": Look("N", "triangle", "h", "2 of 3 near a limit"),
    r"4_of_5": Look("F", "pentagon", "h", "4 of 5 beyond a third of the way to a limit"),
    r"trend_of_(\d+)": Look("T", "wedge", "t", "{} or more in a row rising or falling"),
    r"alternating_(\d+)": Look("A", "cross", "t", "{} or more up and down in turn"),
    r"15_within_1_sigma": Look("W", "bar", "t", "15 or more within a third of the way to the limits"),
    r"8_beyond_1_sigma": Look("B", "bow", "r", "8 or more beyond that, on both sides"),
    r"anhoej": Look("S", "square", "r", "the series as a whole: runs longer, or crossings fewer, than chance"),
    r"cusum": Look("C", "pentagon", "r", "level moved, by the CUSUM"),
}
# Where, between centre and limit, a preset's zone rules look; drawn so that the rule can be checked by eye.
ZONES = {
    "wheeler": (1 / 2,),
    "western_electric": (1 / 3, 2 / 3),
    "nelson": (1 / 3, 2 / 3),
    "nhs": (2 / 3,),
}


@lru_cache(maxsize=256)
def look_of(rule: str) -> Look:
    """The look of a rule by its name."""
    for pattern, look in _LOOKS.items():
        if found := re.fullmatch(pattern, rule):
            return look._replace(words=look.words.format(*found.groups()))
    taken = {look.letter for look in _LOOKS.values()}
    letter = next((ch for ch in rule.upper() if ch.isalpha() and ch not in taken), "X")
    return Look(letter, "cross", "t", rule.replace("_", " "))


def rank(rule: str) -> int:
    """The place of a rule in the order of precedence; unknown ones come last."""
    return PRECEDENCE.index(rule) if rule in PRECEDENCE else len(PRECEDENCE)
