"""Each vendor's partial, differently-spelt view of a school.

Lives here: how humans and enrichment services write a school down. A view is a pure function of (school,
vendor record), so a record always reads the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from .model import School
from .rng import Draw, crc
from .schools import COUNTRIES, ascii_of

VENDORS = ("stripe", "chartmogul", "hubspot", "swan", "g2", "product")
NO_DOMAIN = {"stripe": 1.0, "chartmogul": 0.12, "hubspot": 0.10, "swan": 0.0, "g2": 0.10, "product": 0.10}
_SHORT = (("School of Languages", "Lang. School"), ("Language School", "Lang School"), ("Academy", "Acad."),
          ("Conservatory", "Cons."), ("Institute", "Inst."), ("International", "Intl"), ("Learning Center",
          "Learning Ctr"), ("Centre", "Ctr"), ("Saint", "St"), ("St.", "Saint"), ("School",
          "Sch."))  # fmt: skip


@dataclass(frozen=True, slots=True)
class VendorView:
    """A school as one vendor's record shows it; None or "" where the vendor does not know."""

    vendor: str
    name: str
    domain: str | None
    website: str | None
    country: str
    country_name: str
    region: str
    city: str
    postcode: str | None
    street: str | None
    phone: str | None
    industry: str
    employees: int | None


def _typo(text: str, d: Draw) -> str:
    if len(text) < 8:
        return text
    at = 2 + d.below(len(text) - 5)
    kind = d.below(3)
    if kind == 0:
        return text[:at] + text[at + 1] + text[at] + text[at + 2 :]
    return text[:at] + text[at + 1 :] if kind == 1 else text[:at] + text[at] + text[at:]


def _typed(school: School, d: Draw) -> str:
    """A name as a salesperson types it."""
    name = school.legal_name if school.legal_name.startswith(school.name) and d.chance(0.2) else school.name
    if d.chance(0.3):
        for long, short in _SHORT:
            if long in name:
                name = name.replace(long, short, 1)
                break
    if d.chance(0.12):
        name = f"{name} ({school.city})" if school.city not in name else name
    if d.chance(0.15):
        name = name.removeprefix("The ")
    if d.chance(0.2):
        name = ascii_of(name)
    style = d.u()
    if style < 0.10:
        name = name.lower()
    elif style < 0.15:
        name = name.upper()
    if d.chance(0.04):
        name = _typo(name, d)
    return f" {name} " if d.chance(0.02) else name


def _phone(phone: str, d: Draw) -> str:
    """A phone as typed: with or without the country code and separators."""
    style = d.u()
    if style < 0.4:
        return phone
    digits = phone[1:]
    if style < 0.7:
        return f"+{digits[:2]} {digits[2:5]} {digits[5:8]} {digits[8:]}".strip()
    return f"00{digits}" if style < 0.85 else f"({digits[-10:-7]}) {digits[-7:-4]}-{digits[-4:]}"


def view(school: School, vendor: str, record: int = 1) -> VendorView:
    """What `vendor` shows of a school; `record` 2 is a second, separately typed record."""
    d = Draw(crc(school.school_id), record, "view:" + vendor)
    knows_domain = school.domain is not None and not d.chance(NO_DOMAIN[vendor])
    domain = school.domain if knows_domain else None
    website: str | None = school.website if knows_domain or d.chance(0.3) else None
    name, phone, city = school.name, school.phone, school.city
    postcode: str | None = school.postcode
    street: str | None = school.street
    employees: int | None = school.employees
    if vendor in ("stripe", "chartmogul"):
        # Finance data: the legal name mostly; the vendors of billing know no web site.
        d_same = Draw(crc(school.school_id), 1, "view:billing")
        name = school.legal_name if d_same.chance(0.72) else school.name
        website, phone, employees = None, phone if d.chance(0.6) else "", None
        postcode = postcode if d.chance(0.85) else None
    elif vendor == "hubspot":
        name = _typed(school, d)
        phone = _phone(phone, d) if d.chance(0.7) else ""
        city = city if d.chance(0.8) else ascii_of(city).lower() if d.chance(0.5) else ""
        street = street if d.chance(0.5) else None
        postcode = postcode if d.chance(0.6) else None
        if domain is not None:
            style = d.u()
            domain = (
                domain
                if style < 0.72
                else f"www.{domain}"
                if style < 0.88
                else domain.upper()
                if style < 0.92
                else domain
            )
            website = d.one((f"https://www.{school.domain}/", f"http://{school.domain}", str(school.domain),
                             f"https://{school.domain}/contact?utm_source=crm"))  # fmt: skip
            if d.chance(0.02):
                domain = _typo(domain, d)
    elif vendor == "swan":
        name = (
            (school.domain or school.name).split(".")[0].replace("-", " ").title()
            if d.chance(0.35)
            else ascii_of(school.name)
        )
        website = f"https://{school.domain}" if school.domain else None
        phone, street, postcode = "", None, None
        employees = max(1, round(school.employees * d.between(0.6, 1.6)))
    elif vendor == "g2":
        name = school.name if d.chance(0.7) else ascii_of(school.name).removeprefix("The ")
        website, phone, street, postcode = None, "", None, None
        city = ascii_of(city)
    elif vendor == "product":
        name = school.name if d.chance(0.6) else school.name.split(" ")[0] if d.chance(0.3) else _typed(school, d)
        street, postcode = None, None
        phone = phone if d.chance(0.3) else ""
    return VendorView(
        vendor, name, domain, website, school.country, COUNTRIES[school.country].name, school.region, city,
        postcode,
        street, phone or None, school.vertical, employees,
    )  # fmt: skip
