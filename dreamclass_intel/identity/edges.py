"""Deterministic evidence: the keys a record holds, the edges of records that share one, and the vetoes.

Records sharing a key form a block. A key that too many different schools share (a hub: an unlisted freemail
provider, a franchise's platform) is no evidence and yields no edges.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import combinations, pairwise

from dreamclass_intel.identity import domains, normalise
from dreamclass_intel.identity.domains import DomainKind
from dreamclass_intel.identity.model import BlockKey, Edge, Key, Role, Rule, SourceRecord, Veto

HUB_NAMES, HUB_CITIES = 8, 3  # more than 8 different names over at least 3 cities
HUB_EMAIL_ONLY = 25  # or as many records that share only the e-mail domain, nobody's web site
ALL_PAIRS = 30  # larger blocks are joined through their first record and in a chain
CONFLICT = 0.99  # what a conflict forbids: everything weaker than a linked id
_OWN_ID = {"stripe": "stripe", "product": "account", "crm": "crm"}
_GUARDED = frozenset(["domain", "site"])


@dataclass(frozen=True, slots=True)
class Features:
    """What is compared of a record, worked out once."""

    keys: Mapping[BlockKey, Role]
    name: str | None
    words: frozenset[str]
    country: str | None
    city: str | None
    stripe_customer_id: str | None


@lru_cache(maxsize=200_000)
def features(record: SourceRecord) -> Features:
    """Keys and comparable spellings of a record."""
    keys: dict[BlockKey, Role] = {}
    for namespace, value, role in _keys(record):
        known = keys.get(BlockKey(namespace, value))
        keys[BlockKey(namespace, value)] = Role.OWN if Role.OWN in (known, role) else role
    words = normalise.core_words(record.name, record.city)
    return Features(
        keys,
        normalise.name(record.name),
        frozenset() if _made_from_domain(record.name, keys) else words,
        normalise.country(record.country),
        normalise.plain(record.city),
        record.record_id if record.system == "stripe" else record.stripe_customer_id,
    )


def _keys(record: SourceRecord) -> Iterator[tuple[str, str, Role]]:
    if own := _OWN_ID.get(record.system):
        yield own, record.record_id, Role.OWN
    for namespace, value in (
        ("stripe", record.stripe_customer_id),
        ("account", record.account_id),
        ("crm", record.crm_company_id),
    ):
        if value:
            yield namespace, value, Role.OWN
    if record.ga_account_id:
        yield "account", record.ga_account_id, Role.DEVICE
    for raw, role in ((record.domain, Role.OWN), (record.website, Role.OWN), (record.email_domain, Role.EMAIL)):
        found = domains.parse(raw)
        if found is None:
            continue
        if found.kind is DomainKind.COMPANY:
            yield "domain", found.registrable, role
        elif found.site:
            yield "site", found.site, role


def _made_from_domain(name: str | None, keys: Iterable[BlockKey]) -> bool:
    """A name that an enrichment service made of the domain says nothing of its own."""
    letters = (normalise.plain(name) or "").replace(" ", "")
    return any(k.namespace == "domain" and k.value.partition(".")[0].replace("-", "") == letters for k in keys)


def is_hub(key: BlockKey, block: Mapping[Key, Role], of: Mapping[Key, Features]) -> bool:
    """Whether so many different schools share the key that it identifies none."""
    if key.namespace not in _GUARDED or len(block) <= HUB_NAMES:
        return False
    names = {of[k].name for k in block if of[k].name}
    cities = {of[k].city for k in block if of[k].city}
    if len(names) > HUB_NAMES and len(cities) >= HUB_CITIES:
        return True
    return len(block) > HUB_EMAIL_ONLY and key.namespace == "domain" and Role.OWN not in block.values()


def block_edges(key: BlockKey, block: Mapping[Key, Role]) -> Iterator[Edge]:
    """Edges among records that share a key; all pairs, or enough to connect a large block."""
    members = sorted(block)
    if len(members) <= ALL_PAIRS:
        pairs: Iterable[tuple[Key, Key]] = combinations(members, 2)
    else:
        star = {(members[0], other) for other in members[1:]}
        pairs = star | set(pairwise(members[1:]))
    for a, b in pairs:
        yield Edge(a, b, _rule(key.namespace, block[a], block[b]), f"{key.namespace} {key.value}")


def _rule(namespace: str, a: Role, b: Role) -> Rule:
    if namespace == "domain":
        return Rule.DOMAIN if a is b is Role.OWN else Rule.EMAIL_DOMAIN
    if namespace == "site":
        return Rule.SITE
    return Rule.LINKED_ID if a is b is Role.OWN else Rule.DEVICE_ACCOUNT


def vetoes(members: Collection[Key], of: Mapping[Key, Features]) -> Iterator[Veto]:
    """Pairs that only a linked id may join: two payers, two countries, another city under another name."""
    telling = sorted(k for k in members if of[k].country or of[k].city or of[k].stripe_customer_id)
    for a, b in combinations(telling, 2):
        reason = conflict(of[a], of[b])
        if reason:
            yield Veto(a, b, reason, CONFLICT)


def conflict(a: Features, b: Features) -> str | None:
    """Why two records look like different schools, if they do."""
    if a.stripe_customer_id and b.stripe_customer_id and a.stripe_customer_id != b.stripe_customer_id:
        return "two Stripe customers"
    if a.country and b.country and a.country != b.country:
        return "two countries"
    if a.city and b.city and a.city != b.city and not similar(a.words, b.words):
        return "another city, and not the same name"
    return None


def similar(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether two names are one name typed differently; a name that is not known is like no other."""
    if not a or not b:
        return False
    return a == b or SequenceMatcher(None, " ".join(sorted(a)), " ".join(sorted(b)), autojunk=False).ratio() >= 0.9
