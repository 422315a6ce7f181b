"""No address survives `scrub`, whatever script it is written in; domains come out in one form."""

import re
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamclass_intel.privacy import email_domain, scrub

# Letters, marks and digits of all scripts: what people's names and IDN labels are made of. A label that is no
# NFC or starts with a mark is none, but an address typed so must go all the same.
WORD = st.text(st.characters(categories=["L", "M", "N"]), min_size=1, max_size=12)
TOP = st.text(st.characters(categories=["L"]), min_size=2, max_size=8) | st.just("xn--p1ai")
AROUND = st.text(st.sampled_from(' "<>(),;:[]\\/=?\n&ab@%é\u3000'), max_size=8)


@given(
    local=st.lists(WORD, min_size=1, max_size=3),
    joint=st.sampled_from(".+-_'&!%"),
    at=st.sampled_from(["@", "%40"]),
    labels=st.lists(WORD, min_size=1, max_size=3),
    top=TOP,
    around=st.tuples(AROUND, AROUND),
)
@settings(max_examples=500)
def test_no_address_survives(local, joint, at, labels, top, around):
    name, domain = joint.join(local), ".".join([*labels, top])
    sent = f"{around[0]}{name}{at}{domain}{around[1]}"
    (kept,) = scrub({"deep": [{"text": sent}]}, ())["deep"]
    assert f"[e-mail]@{domain}" in kept["text"]
    assert f"{name}{at}{domain}" not in kept["text"]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("josé@schule.de", "[e-mail]@schule.de"),
        ("an info@schüle.de, bitte", "an [e-mail]@schüle.de, bitte"),
        (unicodedata.normalize("NFD", "müller@schüle.de"), unicodedata.normalize("NFD", "[e-mail]@schüle.de")),
        ("/?email=ada%40school.org&x=1", "/?email=[e-mail]@school.org&x=1"),
        ("<a!b@x.com>;c@y.xn--p1ai", "<[e-mail]@x.com>;[e-mail]@y.xn--p1ai"),
        ("उदा@उदाहरण.भारत", "[e-mail]@उदाहरण.भारत"),
        ("2 @ 5.00, 40%40 off, a@b, @handle", "2 @ 5.00, 40%40 off, a@b, @handle"),
    ],
)
def test_only_the_domain_stays(text, kept):
    assert scrub({"text": text}, ()) == {"text": kept}


@pytest.mark.parametrize(
    ("address", "domain"),
    [
        ("info@Schüle.DE", "xn--schle-mva.de"),
        (unicodedata.normalize("NFD", "info@schüle.de"), "xn--schle-mva.de"),
        ("x@XN--schle-mva.de", "xn--schle-mva.de"),
        ("o&brien@x.com", "x.com"),
        (" a!b@X.com\n", "x.com"),
        ("a@日本。みんな", "xn--wgv71a.xn--q9jyb4c"),
        ("a@-ü-.de", None),
        ("a@b@c", None),
        ("Ada <ada@x.com>", None),
        ("", None),
        (None, None),
    ],
)
def test_a_domain_has_one_form(address, domain):
    assert email_domain(address) == domain


def test_personal_fields_go_in_any_case():
    sent = {"Email": 1, "FIRSTNAME": 1, "kept": [{"STRAßE": 1, "first_name": 2}]}
    assert scrub(sent, {"email", "FirstName", "strasse"}) == {"kept": [{"first_name": 2}]}


@pytest.mark.parametrize("word", ["a", "%40", "a@", "a%40b.", "ä."])
def test_long_words_are_passed_in_one_go(word):
    # A search that starts again at each character would take minutes.
    text = f"{word * (200_000 // len(word))} @"
    assert re.sub(r"\s", "", scrub({"text": text}, ())["text"])
