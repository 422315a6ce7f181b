"""From a host, URL or e-mail domain to the domain that identifies a company, or the site on a shared platform."""

import re
from enum import StrEnum
from functools import cache, lru_cache
from typing import NamedTuple

import idna
import tldextract

from dreamclass_intel.identity.domain_lists import DISPOSABLE, FREEMAIL, SCHOOL_NETWORKS, SHARED_HOSTS

_HOST = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+")
_SCHEME = re.compile(r"^[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_PATH_PARTS = {"google.com": 2}  # sites.google.com/view/<name>; elsewhere the first part names the site
_GENERIC_PATHS = frozenset(["pages", "pg", "people", "groups", "profile.php", "company", "school", "in", "u", "site"])


class DomainKind(StrEnum):
    """What a domain says about who uses it."""

    COMPANY = "company"
    FREEMAIL = "freemail"
    DISPOSABLE = "disposable"
    SHARED = "shared"
    EDU = "edu"  # umbrella of a school network: the host names the school


class Domain(NamedTuple):
    """A domain that was understood; `site` names the page on a shared platform, if the address tells."""

    registrable: str
    kind: DomainKind
    site: str | None


@cache
def _psl() -> tldextract.TLDExtract:
    """The Public Suffix List snapshot inside tldextract, private section included; never downloads."""
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


def host_and_path(raw: str) -> tuple[str, str] | None:
    """ASCII host without `www.`, and the path; None if there is no valid host name."""
    rest = _SCHEME.sub("", raw.strip())
    host, _, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    host = host.rpartition("@")[2].partition(":")[0].strip().rstrip(".").lower()
    if not host.isascii():
        try:
            host = idna.encode(host, uts46=True).decode("ascii")
        except (idna.IDNAError, UnicodeError):
            return None
    if not _HOST.fullmatch(host):
        return None
    while host.startswith("www.") and host.count(".") > 1:
        host = host[4:]
    return host, path


@lru_cache(maxsize=200_000)
def parse(raw: str | None) -> Domain | None:
    """The registrable domain (by the Public Suffix List, private section included), its kind and site."""
    found = host_and_path(raw or "")
    if found is None:
        return None
    host, path = found
    registrable = _psl()(host).top_domain_under_public_suffix.lower()
    if not registrable:
        # A private suffix itself (wixsite.com) is a platform; a bare public suffix or an address is nothing.
        return Domain(host, DomainKind.SHARED, None) if host in SHARED_HOSTS else None
    kind = kind_of(registrable, host)
    if kind is DomainKind.SHARED:
        return Domain(registrable, kind, _site(registrable, host, path))
    if kind is DomainKind.EDU:
        return Domain(registrable, kind, host if host != registrable else None)
    return Domain(registrable, kind, None)


def kind_of(registrable: str, host: str | None = None) -> DomainKind:
    """Kind by the lists; a listed host counts as well as a listed domain."""
    names = {registrable, host or registrable}
    if names & FREEMAIL:
        return DomainKind.FREEMAIL
    if names & DISPOSABLE:
        return DomainKind.DISPOSABLE
    if names & SHARED_HOSTS:
        return DomainKind.SHARED
    return DomainKind.EDU if names & SCHOOL_NETWORKS else DomainKind.COMPANY


def _site(registrable: str, host: str, path: str) -> str | None:
    if host.removeprefix("m.") != registrable and registrable not in _PATH_PARTS:
        return host  # school.weebly.com
    wanted = _PATH_PARTS.get(registrable, 1)
    parts = [part for part in path.lower().split("/") if part]
    if len(parts) < wanted or parts[wanted - 1] in _GENERIC_PATHS:
        return None
    return f"{host.removeprefix('m.')}/{'/'.join(parts[:wanted])}"
