"""The nouns of identity resolution: a source record, an edge of evidence, a veto."""

from dataclasses import dataclass, fields
from enum import Enum, StrEnum
from typing import Any, NamedTuple


class Key(NamedTuple):
    """A source record's identity; sorts by system, then id."""

    system: str
    record_id: str

    def __str__(self) -> str:
        return f"{self.system}:{self.record_id}"


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """What one system says about a school, as it spells it. None where it does not know."""

    system: str
    record_id: str
    name: str | None = None
    domain: str | None = None
    website: str | None = None
    email_domain: str | None = None
    country: str | None = None
    city: str | None = None
    stripe_customer_id: str | None = None
    account_id: str | None = None
    crm_company_id: str | None = None
    ga_account_id: str | None = None
    is_deleted: bool = False

    @property
    def key(self) -> Key:
        """Identity of the record."""
        return Key(self.system, self.record_id)

    def to_dict(self) -> dict[str, Any]:
        """What is known, without system and id: the form stored in the history."""
        return {n: v for n in EVIDENCE if (v := getattr(self, n)) not in (None, False, "")}


EVIDENCE = tuple(f.name for f in fields(SourceRecord) if f.name not in ("system", "record_id"))


class Rule(Enum):
    """Why two records are one company; the value is (name, weight). Stronger evidence is used first."""

    SEED = ("seed", 1.0)  # the record a company is built around; no edge
    LINKED_ID = ("linked_id", 1.0)  # R1: one system's id carried by another
    DOMAIN = ("domain", 0.97)  # R3: same registrable company domain
    SITE = ("site", 0.96)  # R5: same site on a shared platform
    EMAIL_DOMAIN = ("email_domain", 0.95)  # R4: e-mail domain = company domain
    DEVICE_ACCOUNT = ("device_account", 0.90)  # a visitor's device used this product account alone

    @property
    def label(self) -> str:
        """Name as stored."""
        return self.value[0]

    @property
    def weight(self) -> float:
        """Strength of the evidence, 0 to 1."""
        return self.value[1]


class Role(StrEnum):
    """How a record came to hold a key: a domain as its web site is stronger than as its e-mail's."""

    OWN = "own"
    EMAIL = "email"
    DEVICE = "device"


class BlockKey(NamedTuple):
    """A value that records share: namespace (`stripe`, `account`, `crm`, `domain`, `site`) and value."""

    namespace: str
    value: str


@dataclass(frozen=True, slots=True)
class Edge:
    """Evidence that records `a` and `b` (a < b) are one company."""

    a: Key
    b: Key
    rule: Rule
    value: str  # what they share

    @property
    def weight(self) -> float:
        """Strength of the evidence."""
        return self.rule.weight


@dataclass(frozen=True, slots=True)
class Veto:
    """`a` and `b` may not be joined by any edge weaker than `strength`."""

    a: Key
    b: Key
    reason: str
    strength: float
