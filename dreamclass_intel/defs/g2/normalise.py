"""G2's rows as records of the raw table."""

import hashlib
from collections.abc import Mapping
from typing import Any

from dreamclass_intel.defs.g2.client import DIMENSIONS
from dreamclass_intel.privacy import scrub
from dreamclass_intel.records import to_json

# Never asked for; removed should G2 send them all the same.
PERSONAL_FIELDS = frozenset({"visitor_id", "visitor_country", "visitor_state", "visitor_city", "email"})
_KEPT = ("company_", "signal_type", "provider")


def buyer_intent(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """A record of `raw.g2_buyer_intent`. The key spans all dimensions, so rows cannot share one."""
    product = attributes.get("subject_product_id")
    grain = [product, *(attributes.get(name) for name in DIMENSIONS)]
    # A left product that is not ours means a competitor's page; else the right one is what we were compared with.
    side = "left" if attributes.get("left_product_id") not in (None, product) else "right"
    employees = attributes.get("company_employees")
    return {
        "intent_key": hashlib.sha256(to_json(grain).encode()).hexdigest(),
        "subject_product_id": product,
        "intent_date": attributes.get("day"),
        **{name: attributes.get(name) for name in DIMENSIONS if name.startswith(_KEPT)},
        "company_employees": None if employees is None else str(employees),
        "compared_product_id": attributes.get(f"{side}_product_id"),
        "compared_product_name": attributes.get(f"{side}_product_name"),
        "total_activity": attributes.get("total_activity"),
        "visitor_count": attributes.get("visitor_count"),
        "last_seen_at": attributes.get("last_seen_at"),
        "_raw": scrub(attributes, PERSONAL_FIELDS),
    }
