"""Invented schools and people: names, addresses, domains, phones, from small word lists.

Lives here: what a school is. How vendors spell it is in `spelling.py`. Nobody here is a real person.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from . import ids
from .model import Contact, School
from .rng import Draw, Weighted


@dataclass(frozen=True, slots=True)
class Country:
    """What an address in a country looks like."""

    iso: str
    name: str
    tlds: tuple[str, ...]
    legal: tuple[str, ...]
    cities: tuple[tuple[str, str], ...]
    streets: tuple[str, ...]
    first: tuple[str, ...]
    last: tuple[str, ...]
    language: str


def _c(iso: str, name: str, tlds: str, legal: str, cities: str, streets: str, first: str, last: str,
       language: str) -> Country:  # fmt: skip
    pairs = tuple((c.split("/")[0], c.split("/")[1]) for c in cities.split(","))
    return Country(iso, name, tuple(tlds.split()), tuple(legal.split("|")), pairs, tuple(streets.split(",")),
                   tuple(first.split()), tuple(last.split()), language)  # fmt: skip


_EN_FIRST = "Alma Brett Carys Dana Ellis Fenn Greer Hollis Imani Jory Kendra Lowell Merrin Noel Orla Perry Quinn"
_EN_LAST = "Ashdown Brackley Colverton Dunmoor Ellsworthy Fairhaugh Garstow Hartwyn Inglemoor Kestrell Larkwood"
_EL_FIRST = "Andri Danae Eirini Foteini Kyriakos Lefteris Myrto Nefeli Orestis Stavri Thalia Vasilis"
_EL_LAST = "Anemidis Dimopoulakos Fotakidis Kalamaras Lagoudis Mavrelis Nerantzis Palaiakis Rodakis Thymaris"
COUNTRIES = {c.iso: c for c in (
    _c("US", "United States", "com com com org net", "LLC|Inc.|Corp",
    "Austin/TX,Denver/CO,Portland/OR,Tampa/FL,"
       "Columbus/OH,San Diego/CA,Raleigh/NC,Madison/WI,Boise/ID,Albany/NY,Tucson/AZ,Omaha/NE",
       "Maple Ave,Oak St,"
       "Main St,Cedar Ln,2nd Street,Lakeview Blvd,Union St", _EN_FIRST, _EN_LAST, "en-us"),
    _c("GB", "United Kingdom", "co.uk co.uk org.uk com", "Ltd|Limited|CIC",
    "Leeds/,Bristol/,Norwich/,Exeter/,"
       "Glasgow/,Cardiff/,York/,Brighton/,Derby/", "High Street,Station Road,Church Lane,Mill Road,Park Row",
       _EN_FIRST, _EN_LAST, "en-gb"),
    _c("GR", "Greece", "gr gr com.gr edu.gr", "IKE|OE|EPE|AE",
    "Athina/,Thessaloniki/,Patra/,Irakleio/,Larisa/,"
       "Volos/,Ioannina/,Chania/", "Ermou,Tsimiski,Egnatia,Kanari,Venizelou,Korai", _EL_FIRST, _EL_LAST,
       "el-gr"),
    _c("IE", "Ireland", "ie ie com", "Ltd|CLG|DAC", "Dublin/,Cork/,Galway/,Limerick/,Waterford/",
    "Main Street,"
       "Bridge Street,Quay Street,Abbey Road",
       "Aoibhe Cillian Darragh Eabha Fiadh Iarla Niamh Oisin Roisin Tadhg",
       "Ballagh Corrigane Dunleary Fennelly Glasheen Kilbranagh Lismorgan Rathgoole", "en-ie"),
    _c("DE", "Germany", "de de de com", "GmbH|UG|e.V.|gGmbH",
    "Köln/,Leipzig/,Freiburg/,Nürnberg/,Kassel/,Mainz/,"
       "Münster/,Rostock/", "Hauptstraße,Bahnhofstraße,Lindenweg,Schulgasse,Gartenstraße",
       "Anke Birte Dirk Elke "
       "Falk Gesa Heiko Imke Jörg Katrin Lüder Maike",
       "Auerbrink Bachstedt Dornhöfer Eschweil Feldkamp Grünthal "
       "Hohlweg Kaltenau Lindhorst Möhlbach", "de-de"),
    _c("CY", "Cyprus", "com.cy com.cy cy com", "Ltd|Limited", "Lefkosia/,Lemesos/,Larnaka/,Pafos/",
    "Makariou,"
       "Ledras,Anexartisias,Griva Digeni", _EL_FIRST, _EL_LAST, "el-cy"),
    _c("CA", "Canada", "ca ca com", "Inc.|Ltd.|Corp.",
    "Halifax/NS,Calgary/AB,Ottawa/ON,Victoria/BC,Winnipeg/MB,"
       "Québec/QC,Kingston/ON", "King Street,Queen St W,Wellington Ave,Rue Principale", _EN_FIRST, _EN_LAST,
       "en-ca"),
    _c("AU", "Australia", "com.au com.au edu.au au", "Pty Ltd|Inc",
    "Hobart/TAS,Geelong/VIC,Cairns/QLD,Perth/WA,"
       "Newcastle/NSW,Adelaide/SA", "George Street,Collins St,Elizabeth St,Murray Rd", _EN_FIRST, _EN_LAST,
       "en-au"),
    _c("ES", "Spain", "es es com cat", "S.L.|S.L.U.|S. Coop.", "Valencia/,Sevilla/,Zaragoza/,Girona/,Bilbao/",
       "Calle Mayor,Avenida del Puerto,Plaza Nueva,Calle Real",
       "Abril Breixo Candela Dario Estrella Gael Iria Leire",
       "Almendrales Bosquemar Cantovera Dehesilla Fuenlana Olmedares", "es-es"),
    _c("NL", "Netherlands", "nl nl eu", "B.V.|Stichting|VOF", "Utrecht/,Groningen/,Breda/,Haarlem/,Zwolle/",
       "Dorpsstraat,Kerkweg,Molenlaan,Nieuwe Gracht", "Anouk Bram Doutzen Fenna Gijs Jorrit Loes Maartje",
       "Akkerveen Boterdijk Dijkgraven Grasmeer Klaverweide Rietberg", "nl-nl"),
)}  # fmt: skip
_COUNTRY = Weighted([("US", 0.34), ("GB", 0.15), ("GR", 0.13), ("CA", 0.08), ("AU", 0.08), ("IE", 0.05),
                     ("DE", 0.06), ("CY", 0.04), ("ES", 0.04), ("NL", 0.03)])  # fmt: skip
COUNTRY_TABLE = _COUNTRY
_VERTICAL = Weighted([("language_school", 0.28), ("music", 0.18), ("tutoring", 0.18), ("k12", 0.12),
                      ("dance", 0.09), ("vocational", 0.09), ("after_school", 0.06)])  # fmt: skip
_KINDS = {
    "language_school": (
        "Language School",
        "English Academy",
        "Language Centre",
        "School of Languages",
        "Idiomas",
    ),
    "music": ("Music School", "Conservatory", "School of Music", "Music Academy", "Musikschule"),
    "tutoring": ("Tutoring", "Learning Center", "Study Centre", "Tutors", "Lernstudio"),
    "k12": ("School", "Academy", "Christian Academy", "Montessori School", "International School"),
    "dance": ("Dance Academy", "Ballet School", "Dance Studio", "School of Dance"),
    "vocational": ("Institute", "Training College", "Vocational Institute", "Technical Academy"),
    "after_school": ("After School Club", "Kids Club", "Enrichment Program", "Saturday School"),
}
_LEFT = ("Bright", "Harbour", "Silver", "North", "Blue", "Golden", "Open", "River", "Stone", "Clear",
"Green", "High",
         "Amber", "Cedar", "Lumen", "Nova", "Aster", "Kite", "Willow", "Orion", "Helio", "Meridian", "Olive",
         "Coral",
         "Summit", "Violet", "Juniper", "Polar", "Echo", "Zephyr", "Marble", "Copper", "Saffron",
         "Indigo")  # fmt: skip
_RIGHT = ("field", "bridge", "path", "gate", "wood", "well", "view", "mont", "dale", "crest", "leaf",
"spring", "light",
          "port", "brook", "star", "nest", "point", "haven", "bloom", "tree", "shore")  # fmt: skip
_PREFIX = ("", "", "", "", "The ", "Little ", "New ", "St. ", "Royal ")
_ROLES = Weighted([("owner", 0.34), ("director", 0.22), ("administrator", 0.24), ("teacher", 0.12), ("it", 0.08)])
FREEMAIL = Weighted([("gmail.com", 0.58), ("yahoo.com", 0.12), ("hotmail.com", 0.10), ("outlook.com", 0.12),
                     ("icloud.com", 0.04), ("gmx.de", 0.02), ("yahoo.gr", 0.02)])  # fmt: skip
_DIAL = {"US": "1", "GB": "44", "GR": "30", "IE": "353", "DE": "49", "CY": "357", "CA": "1", "AU": "61",
"ES": "34",
         "NL": "31"}  # fmt: skip


def ascii_of(text: str) -> str:
    """The text without accents, sharp s spelt out."""
    text = text.replace("ß", "ss").replace("ö", "oe").replace("ü", "ue").replace("ä", "ae")
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def _slug(text: str) -> str:
    return "".join(ch for ch in ascii_of(text).lower() if ch.isalnum())


def _postcode(iso: str, d: Draw) -> str:
    if iso == "GB":
        outward = f"{d.one('BLNEGCYD')}{d.one('SRXDA')}{1 + d.below(19)}"
        return f"{outward} {1 + d.below(9)}{d.one('ABDEFH')}{d.one('JLNPQ')}"
    if iso == "CA":
        return f"{d.one('BKLMTRV')}{d.below(10)}{d.one('ABCEGH')} {d.below(10)}{d.one('JKLMN')}{d.below(10)}"
    digits = {"CY": 4, "AU": 4}.get(iso, 5)
    code = str(10 ** (digits - 1) + d.below(9 * 10 ** (digits - 1)))
    if iso == "GR":
        return f"{code[:3]} {code[3:]}"
    return f"{code[:4]} {d.one('ABCDX')}{d.one('EKLPZ')}" if iso == "NL" else code


def _phone(iso: str, d: Draw) -> str:
    if iso in ("US", "CA"):  # the 555-01xx range is kept for fiction
        return f"+1{200 + d.below(700)}55501{d.below(100):02d}"
    if iso == "GB":  # so is 01632 960xxx
        return f"+441632960{d.below(1000):03d}"
    return f"+{_DIAL[iso]}{2 + d.below(6)}{d.below(10**8):08d}"


def make_school(seed: int, day: int, stream_name: str, index: int) -> School:
    """School `index` of a stream of a day: a pure function of its arguments."""
    d = Draw(seed, day, "school:" + stream_name, index)
    quality = round(d.u(), 4)
    country = COUNTRIES[d.pick(_COUNTRY)]
    vertical = d.pick(_VERTICAL)
    root = d.one(_LEFT) + d.one(_RIGHT) if d.chance(0.7) else f"{d.one(_LEFT)} {d.one(_RIGHT).capitalize()}"
    city, region = d.one(country.cities)
    style = d.u()
    kind = d.one(_KINDS[vertical])
    if style < 0.62:
        name = f"{d.one(_PREFIX)}{root} {kind}"
    elif style < 0.8:
        name = f"{city} {root} {kind}"
    else:
        name = f"{root} {kind} {city}"
    legal_form = d.one(country.legal)
    legal = (
        f"{name} {legal_form}"
        if d.chance(0.75)
        else f"{country.last[d.below(len(country.last))]} Education {legal_form}"
    )
    domain: str | None = None
    website: str | None = None
    slug = _slug(root)
    where = d.u()
    if where < 0.88:
        words = [_slug(w) for w in kind.split()]
        tail = d.one((words[0], "".join(w[0] for w in words) + _slug(city)[:4], words[-1], _slug(city)))
        number = "" if d.chance(0.8) else str(1 + d.below(98))
        domain = f"{slug}{d.one(('', '-'))}{tail}{number}.{d.one(country.tlds)}"
        website = f"https://{'www.' if d.chance(0.7) else ''}{domain}/"
    elif where < 0.93:
        website = f"https://{slug}{1 + d.below(99)}.wixsite.com/{_slug(kind)}"
    elif where < 0.97:
        website = f"https://www.facebook.com/{slug}.{_slug(city)}"
    students = min(max(int(d.lognormal(110, 0.75)), 8), 2500)
    return School(
        school_id=f"sch_{ids.base62(12, 'school', seed, day, stream_name, index)}", name=name,
        legal_name=legal,
        country=country.iso, city=city, region=region, postcode=_postcode(country.iso, d),
        street=f"{1 + d.below(220)} {d.one(country.streets)}", phone=_phone(country.iso, d), domain=domain,
        website=website, vertical=vertical, students=students, employees=max(2, int(students / d.between(7,
        16))),
        quality=quality,
    )  # fmt: skip


def make_contact(school: School, d: Draw, freemail_share: float) -> Contact:
    """A person of the school who leaves an address."""
    country = COUNTRIES[school.country]
    first, last = d.one(country.first), d.one(country.last)
    free = school.domain is None or d.chance((freemail_share - 0.12) / 0.88)
    role = d.pick(_ROLES)
    if free:
        style = d.below(3)
        user = (f"{first}.{last}{d.below(990)}", f"{last}{first[0]}{1960 + d.below(45)}",
                f"{_slug(school.name)[:18]}{d.below(90)}")[style]  # fmt: skip
        # An address belongs to one person: what is left of the school's id keeps two namesakes apart.
        user += school.school_id[-3:]
        email = f"{ascii_of(user).lower().replace(' ', '')}@{d.pick(FREEMAIL)}"
    else:
        user = d.one((f"{first}.{last}", f"{first[0]}{last}", first, "info", "office", "admin"))
        host = f"mail.{school.domain}" if d.chance(0.02) else school.domain
        email = f"{ascii_of(user).lower()}@{host}"
    return Contact(first, last, email, _phone(school.country, d), role, free)
