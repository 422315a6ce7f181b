"""Comparable forms of names, cities and countries. The raw spelling is always kept beside them."""

import re
import unicodedata
from functools import lru_cache

from dreamclass_intel.identity.countries import ALPHA2, NAMES

_FORMS = (
    "llc inc incorporated corp corporation co company ltd limited plc llp lp pllc cic clg dac pty pvt "
    "gmbh ggmbh ug ev eg ag kg ohg gbr mbh sl slu sa sau sas sarl sasu scoop coop srl srls spa ltda eirl "
    "bv nv vof stichting asbl vzw ike oe epe ae ee abee amke oy oyj ab as asa aps kft zrt nyrt sro doo dooel ooo "
    "αε επε ικε οε εε αβεε αμκε"
)
_LEGAL = frozenset(_FORMS.split())
_LEADING = frozenset(["stichting"])
_APOSTROPHES = re.compile(r"['’`´.]")  # St. Mary's -> st marys, S.L.U. -> slu
_NOT_WORD = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """NFKC and casefold, to a fixed point: folding twice is folding once."""
    for _ in range(8):
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        if folded == text:
            break
        text = folded
    return text


@lru_cache(maxsize=100_000)
def name(raw: str | None) -> str | None:
    """Folded name without punctuation and legal forms; None only for blank input, never empty.

    Legal forms go from the end until none is left ("ABC Co., Ltd." -> "abc"), but never the last word.
    """
    folded = fold(raw or "").strip()
    if not folded:
        return None
    words = _NOT_WORD.sub(" ", _APOSTROPHES.sub("", folded)).split()
    if not words:
        return folded
    while len(words) > 1 and words[-1] in _LEGAL:
        words.pop()
    while len(words) > 1 and words[0] in _LEADING:
        words.pop(0)
    return " ".join(words)


@lru_cache(maxsize=100_000)
def plain(text: str | None) -> str | None:
    """A city or word without case, accents and punctuation; None for blank input, never empty."""
    folded = fold(text or "").strip()
    if not folded:
        return None
    bare = "".join(c for c in unicodedata.normalize("NFKD", folded) if not unicodedata.combining(c))
    return fold(" ".join(_NOT_WORD.sub(" ", _APOSTROPHES.sub("", bare)).split())) or folded


@lru_cache(maxsize=10_000)
def country(raw: str | None) -> str | None:
    """ISO 3166-1 alpha-2 of a code or an English name; None for blank or unknown input."""
    text = (raw or "").strip()
    if text.upper() in ALPHA2:
        return text.upper()
    return NAMES.get(plain(text) or "")


@lru_cache(maxsize=100_000)
def core_words(raw: str | None, city: str | None) -> frozenset[str]:
    """The words of a name that tell schools apart: no legal forms, no accents, no article, not the city."""
    words = set((plain(name(raw)) or "").split())
    place = set((plain(city) or "").split()) | {"the"}
    return frozenset(words - place) or frozenset(words)
