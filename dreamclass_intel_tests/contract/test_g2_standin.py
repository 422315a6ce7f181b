"""The G2 stand-in against the documented query language: grouping, filters, sorting, limits, errors."""

from typing import Any

import pytest
import requests

from dreamclass_intel.settings import SANDBOX_KEY


@pytest.fixture
def ask(sandbox: str) -> Any:
    def get(*, key: str = SANDBOX_KEY, product: str = "dreamclass", **params: Any) -> requests.Response:
        asked = {name.replace("__", "[") + ("]" if "__" in name else ""): v for name, v in params.items()}
        return requests.get(
            f"{sandbox}/g2/api/v2/products/{product}/buyer_intent",
            asked,
            headers={"Authorization": f"Bearer {key}"},
            timeout=60,
        )

    return get


def rows(response: requests.Response) -> list[dict[str, Any]]:
    assert response.status_code == 200, response.text
    return [row["attributes"] for row in response.json()["data"]]


def test_dropping_a_dimension_aggregates(ask):
    daily, after = [], {}
    while True:
        answer = ask(dimensions="day,company_id", page__size=250, sort="day", **after)
        daily += rows(answer)
        if not answer.json()["links"]["next"]:
            break
        after = {"page__after": requests.compat.urlsplit(answer.json()["links"]["next"]).query}
        after = {"page__after": requests.compat.unquote(after["page__after"].split("page%5Bafter%5D=")[1])}
    (total,) = rows(ask(dimensions="", measures="total_activity,company_count,visitor_count"))
    assert total["total_activity"] == sum(r["total_activity"] for r in daily)
    assert total["company_count"] == len({r["company_id"] for r in daily})
    assert [r["day"] for r in daily] == sorted(r["day"] for r in daily)
    assert set(daily[0]) == {"day", "company_id", "total_activity", "subject_product_id", "subject_product_slug"}


def test_defaults(ask):
    body = ask(dimensions="company_id,company_intent_score").json()
    assert len(body["data"]) == 25
    assert set(body["links"]) == {"self", "next", "prev"}
    assert {row["type"] for row in body["data"]} == {"buyer_intent"}
    scores = [row["attributes"]["company_intent_score"] for row in body["data"]]
    assert scores == sorted(scores, reverse=True)


def test_filters(ask):
    half = {"dimension_filters__day_gteq": "2024-02-05", "dimension_filters__day_lt": "2024-02-07"}
    days = {r["day"] for r in rows(ask(dimensions="day,company_id", **half))}
    assert days and days <= {"2024-02-05", "2024-02-06"}
    pricing = rows(ask(dimensions="signal_type,day", dimension_filters__signal_type_eq="pricing"))
    assert pricing and {r["signal_type"] for r in pricing} == {"pricing"}
    unknown = rows(ask(dimensions="company_domain,company_id", dimension_filters__company_domain_empty="1"))
    assert unknown and {r["company_domain"] for r in unknown} == {None}


def test_the_row_id_is_not_stable(ask):
    one = ask(dimensions="company_id", measures="total_activity").json()["data"][0]["id"]
    other = ask(dimensions="company_id", measures="visitor_count").json()["data"][0]["id"]
    assert one != other


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({"key": "wrong"}, 401),
        ({"product": "someone-elses"}, 404),
        ({"page__size": 251}, 400),
        ({"dimensions": "buying_stage"}, 400),
        ({"measures": "clicks"}, 400),
        ({"dimension_filters__day_about": "2024"}, 400),
        ({"page__after": "%%%"}, 400),
    ],
)
def test_errors(ask, params, status):
    answer = ask(**params)
    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["status"]) == (status, str(status))
    assert error["title"]
    assert answer.headers["content-type"].startswith("application/vnd.api+json")
