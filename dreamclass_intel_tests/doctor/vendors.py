"""Live vendors for the doctor, on loopback: for each source the answers of one in good health and its variables."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from starlette.requests import Request

from dreamclass_intel.defs.crm.doctor import NEEDED
from dreamclass_intel_tests.sources.helpers import vendor

Answers = dict[str, Callable[[Request], Any]]
EMPTY = {"data": [], "next_cursor": None, "has_more": False}
STRIPE = ("customers", "products", "prices", "subscriptions", "invoices", "events")
HUBSPOT = {f"/crm/v3/objects/{kind}/search": {"results": []} for kind in ("companies", "contacts", "deals")}
QUOTA = {"consumed": 1, "remaining": 199_999}
BODIES: dict[str, dict[str, Any]] = {
    "ga4": {
        "/token": {"access_token": "t", "expires_in": 3600, "token_type": "Bearer"},
        "/v1beta/properties/7:runReport": {
            "metadata": {"timeZone": "Europe/Athens"},
            "propertyQuota": {"tokensPerDay": QUOTA},
        },
    },
    "backend": {"/v1/events": EMPTY},
    "stripe": {f"/v1/{name}": {"object": "list", "data": [], "has_more": False} for name in STRIPE},
    "chartmogul": {"/v1/account": {"currency": "USD"}, "/v1/plans": {"plans": [], "has_more": False}},
    "crm": {
        **HUBSPOT,
        "/crm/v3/owners": {"results": []},
        "/crm/v3/pipelines/deals": {"results": []},
        "/oauth/v2/private-apps/get/access-token-info": {"scopes": ["oauth", *NEEDED]},
    },
    "lead_scoring": {
        "/rest/v1/scoring_runs": [{"updated_at": "2024-01-01"}],
        "/rest/v1/lead_scores": [{"updated_at": "2024-01-01"}],
    },
    "swan": {"/v1/visits": EMPTY, "/v1/companies": EMPTY},
    "g2": {"/api/v2/products/our-product/buyer_intent": {"data": [], "links": {"next": None}}},
}
KEYS = {
    "ga4": "google-private-key",
    "backend": "backend-key-4242",
    "stripe": "rk_live_stripe4242",
    "chartmogul": "chartmogul-key-4242",
    "crm": "pat-eu1-hubspot-4242",
    "lead_scoring": "sb_publishable_4242",
    "swan": "swan-key-4242",
    "g2": "g2-token-4242",
}


def good(source: str) -> Answers:
    """The answers of a vendor in good health."""
    return {path: lambda _request, body=body: body for path, body in BODIES[source].items()}


@cache
def _private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    plain = serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain).decode()


def google_key(url: str, folder: Path) -> Path:
    """A service account's key file whose tokens come from `url`."""
    path = folder / "google.json"
    body = {
        "type": "service_account",
        "client_email": "suite@school.iam.gserviceaccount.com",
        "token_uri": f"{url}/token",
        "private_key": _private_key(),
        "private_key_id": "k",
        "project_id": "school",
    }
    path.write_text(json.dumps(body))
    return path


def variables(source: str, url: str, folder: Path) -> dict[str, object]:
    """What makes the source live at `url`."""
    key = KEYS[source]
    if source == "ga4":
        (folder / "events_20240101.jsonl").touch()
        return {
            "GA4_PROPERTY_ID": "7",
            "GA4_API_ENDPOINT": url,
            "GA4_EXPORT_DIR": folder,
            "GOOGLE_APPLICATION_CREDENTIALS": google_key(url, folder),
        }
    return {
        "backend": {"BACKEND_BASE_URL": url, "BACKEND_TOKEN": key},
        "stripe": {"STRIPE_API_BASE": url, "STRIPE_API_KEY": key},
        "chartmogul": {"CHARTMOGUL_API_BASE": f"{url}/v1", "CHARTMOGUL_API_KEY": key},
        "crm": {"CRM_API_BASE": url, "CRM_HUBSPOT_TOKEN": key},
        "lead_scoring": {"SUPABASE_URL": url, "SUPABASE_KEY": key},
        "swan": {"SWAN_BASE_URL": url, "SWAN_API_KEY": key},
        "g2": {"G2_API_BASE": url, "G2_API_TOKEN": key, "G2_PRODUCT_ID": "our-product"},
    }[source]


@contextmanager
def live(
    settings_env: Callable[..., None],
    folder: Path,
    source: str,
    trouble: Callable[[Request], Any] | None = None,
    *,
    date: str | None = None,
    **others: object,
) -> Iterator[str]:
    """One live source, its answers replaced by what `trouble` gives (None: the good one)."""

    def replaced(reply: Callable[[Request], Any]) -> Callable[[Request], Any]:
        def answer(request: Request) -> Any:
            found = trouble(request) if trouble and request.url.path != "/token" else None
            return reply(request) if found is None else found

        return answer

    with vendor({path: replaced(reply) for path, reply in good(source).items()}, date=date) as url:
        settings_env(**{**variables(source, url, folder), **others})
        yield url
