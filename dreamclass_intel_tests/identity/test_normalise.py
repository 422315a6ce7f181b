"""Comparable spellings: what is equal, what is kept apart, and that nothing becomes empty."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamclass_intel.identity import domains, normalise
from dreamclass_intel.identity.domains import DomainKind


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        ("ABC Co., Ltd.", "abc"),
        ("Co", "co"),
        ("  Ｂｒｉｇｈｔ School S.L.U. ", "bright school"),
        ("Rodakis Education Α.Ε.", "rodakis education"),
        ("St. Mary's", "st marys"),
        ("Stichting Muziekschool", "muziekschool"),
        ("Kita e.V.", "kita"),
        ("!!!", "!!!"),
        ("  ", None),
        (None, None),
    ],
)
def test_names(raw: str | None, wanted: str | None) -> None:
    assert normalise.name(raw) == wanted


@given(st.text())
def test_names_are_idempotent_and_never_empty(raw: str) -> None:
    once = normalise.name(raw)
    assert once is None or once
    assert (once is None) == (not normalise.fold(raw).strip())
    assert normalise.name(once) == once


@given(st.text())
def test_plain_is_never_empty(raw: str) -> None:
    assert (normalise.plain(raw) is None) == (not normalise.fold(raw).strip())
    assert normalise.plain(raw) != ""


@pytest.mark.parametrize(
    ("raw", "registrable", "kind", "site"),
    [
        ("https://www.Foo.co.uk/contact?utm=1", "foo.co.uk", DomainKind.COMPANY, None),
        ("mail.foo.gr", "foo.gr", DomainKind.COMPANY, None),
        ("Köln-Schule.DE", "xn--kln-schule-ecb.de", DomainKind.COMPANY, None),
        ("me@gmail.com", "gmail.com", DomainKind.FREEMAIL, None),
        ("x@privaterelay.appleid.com", "appleid.com", DomainKind.FREEMAIL, None),
        ("yopmail.com", "yopmail.com", DomainKind.DISPOSABLE, None),
        ("http://abc.weebly.com/home", "weebly.com", DomainKind.SHARED, "abc.weebly.com"),
        ("https://abc.wixsite.com/music", "abc.wixsite.com", DomainKind.COMPANY, None),
        ("https://m.facebook.com/abc.leeds/", "facebook.com", DomainKind.SHARED, "facebook.com/abc.leeds"),
        ("https://www.facebook.com/pages/abc", "facebook.com", DomainKind.SHARED, None),
        ("sites.google.com/view/abc/x", "google.com", DomainKind.SHARED, "sites.google.com/view/abc"),
        ("3lyk.ath.sch.gr", "sch.gr", DomainKind.EDU, "3lyk.ath.sch.gr"),
        ("smith.k12.tx.us", "smith.k12.tx.us", DomainKind.COMPANY, None),
    ],
)
def test_domains(raw: str, registrable: str, kind: DomainKind, site: str | None) -> None:
    assert domains.parse(raw) == (registrable, kind, site)


@pytest.mark.parametrize("raw", [None, "", "n/a", "co.uk", "localhost", "10.0.0.1", "a b.com", "http://", "-"])
def test_no_domain(raw: str | None) -> None:
    assert domains.parse(raw) is None


@given(st.text())
def test_any_text_is_parsed_and_a_registrable_domain_stays(raw: str) -> None:
    found = domains.parse(raw)
    if found is not None and found.kind is DomainKind.COMPANY:
        again = domains.parse(found.registrable)
        assert again is not None and again.registrable == found.registrable


@pytest.mark.parametrize(
    ("raw", "iso"),
    [("United States", "US"), ("gr", "GR"), (" Türkiye", "TR"), ("España", "ES"), ("Atlantis", None), (None, None)],
)
def test_countries(raw: str | None, iso: str | None) -> None:
    assert normalise.country(raw) == iso
