"""Which evidence joins, which conflict forbids, and when a domain is everybody's."""

from dreamclass_intel.identity.generations import Generation
from dreamclass_intel.identity.model import Rule, SourceRecord
from dreamclass_intel.identity.survivorship import survivors


def clusters(*records: SourceRecord) -> list[set[str]]:
    generation = advance(*records)
    return sorted({frozenset(map(str, m)) for m in generation.members.values() if m}, key=sorted)  # type: ignore[return-value]


def advance(*records: SourceRecord) -> Generation:
    import datetime as dt

    generation = Generation()
    generation.advance(dt.date(2024, 1, 1), {r.key: r for r in records}, lambda c, d: str(c.seed))
    return generation


def test_linked_ids_join_across_systems() -> None:
    crm = SourceRecord("crm", "1", stripe_customer_id="cus_1")
    stripe = SourceRecord("stripe", "cus_1", account_id="acc")
    product = SourceRecord("product", "acc")
    lead = SourceRecord("leads", "l1", account_id="acc")
    generation = advance(crm, stripe, product, lead)
    assert len(generation.company_of) == 4 and len(set(generation.company_of.values())) == 1
    assert {r for r, _ in generation.rules.values()} == {Rule.SEED, Rule.LINKED_ID}


def test_domains_join_and_freemail_does_not() -> None:
    web = SourceRecord("swan", "1", domain="www.a.co.uk")
    lead = SourceRecord("leads", "1", email_domain="mail.a.co.uk")
    free = [SourceRecord("leads", str(n), email_domain="gmail.com") for n in (2, 3)]
    assert clusters(web, lead, *free) == [{"leads:1", "swan:1"}, {"leads:2"}, {"leads:3"}]


def test_conflicts_forbid_domains_and_not_linked_ids() -> None:
    here = SourceRecord("crm", "1", name="Blue Path", domain="a.com", country="US", city="Austin")
    there = SourceRecord("g2", "2", name="Blue Path", domain="a.com", country="Greece")
    other = SourceRecord("swan", "3", name="Red Gate", domain="a.com", country="US", city="Boise")
    campus = SourceRecord("swan", "4", name="The Blue Path", domain="a.com", country="US", city="Boise")
    assert clusters(here, there) == [{"crm:1"}, {"g2:2"}]
    assert clusters(here, other) == [{"crm:1"}, {"swan:3"}]
    assert clusters(here, campus) == [{"crm:1", "swan:4"}]
    payers = [SourceRecord("stripe", f"cus_{n}", email_domain="a.com") for n in (1, 2)]
    assert len(clusters(*payers)) == 2
    linked = [SourceRecord("crm", "1", country="US", account_id="x"), SourceRecord("product", "x", country="GR")]
    assert len(clusters(*linked)) == 1


def test_a_lead_does_not_bridge_two_schools_in_conflict() -> None:
    a = SourceRecord("crm", "1", domain="a.com", country="US")
    b = SourceRecord("crm", "2", domain="a.com", country="GB")
    lead = SourceRecord("leads", "1", email_domain="a.com")
    assert [len(c) for c in clusters(a, b, lead)] == [2, 1]


def test_a_hub_is_no_evidence_and_is_left_when_found() -> None:
    import datetime as dt

    records = [
        SourceRecord("crm", str(n), name=f"School number {chr(97 + n) * 5}", domain="hub.net", city="Cork")
        for n in range(7)
    ]
    generation = advance(*records)
    assert len(set(generation.company_of.values())) == 1
    more = [
        SourceRecord("crm", f"m{n}", name=f"Other {chr(97 + n) * 6}", domain="hub.net", city=city)
        for n, city in enumerate(("Leeds", "Graz", "Bern"))
    ]
    generation.advance(dt.date(2024, 1, 2), {r.key: r for r in more}, lambda c, d: f"new {c.seed}")
    assert {k.value for k in generation.hubs} == {"hub.net"}
    assert len(set(generation.company_of.values())) == 10


def test_survivorship_has_ranks_and_provenance() -> None:
    crm = SourceRecord("crm", "1", name="Blue Path", website="https://www.a.com/", domain="aa.com")
    stripe = SourceRecord("stripe", "c", name="Blue Path Ltd", country="GB", city="Leeds", email_domain="gmail.com")
    swan = SourceRecord("swan", "s", name="A", domain="b.com", country="US")
    shown = survivors([swan, stripe, crm])
    assert {f: (s.value, s.source) for f, s in shown.items()} == {
        "display_name": ("Blue Path", "crm"),
        "primary_domain": ("a.com", "crm"),
        "country": ("GB", "stripe"),
        "city": ("Leeds", "stripe"),
    }
    gone = SourceRecord("crm", "1", name="Blue Path", domain="aa.com", is_deleted=True)
    assert survivors([swan, gone])["display_name"].source == "swan"
    assert survivors([swan], frozenset(["b.com"])).keys() == {"display_name", "country"}
