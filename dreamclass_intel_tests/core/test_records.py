"""Vendor records to Arrow: exact or refused, with words that find the record and hide the person."""

import datetime as dt
import json
import zoneinfo
from decimal import Decimal

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dreamclass_intel.contracts import Column, ContractError, Table, Type
from dreamclass_intel.records import conform, empty, extract, timestamp
from dreamclass_intel.records import to_json as canonical
from dreamclass_intel_tests.core.helpers import table

DAY = "2024-01-01"
ZONES = [zoneinfo.ZoneInfo(z) for z in ("UTC", "Europe/Athens", "America/New_York", "Asia/Kathmandu")]


def typed(kind: Type, *, required: bool = False, pii: str | None = None) -> Table:
    return Table(
        "raw", "typed", "x", (Column("id", Type.INT, "k"), Column("v", kind, "v", required, pii=pii)), key=("id",)
    )


def stored(kind: Type, value: object) -> object:
    """The value as the warehouse would get it."""
    (batch,) = extract(typed(kind), [{"id": 1, "v": value}], DAY).batches
    assert batch.schema == typed(kind).arrow_schema
    return batch.column("v")[0].as_py()


def refusal(kind: Type, value: object) -> str:
    with pytest.raises(ContractError) as caught:
        stored(kind, value)
    return str(caught.value)


finite = st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | finite | texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=8,
)
decimals = st.builds(
    lambda digits, places: Decimal(digits).scaleb(-places), st.integers(-(10**28), 10**28), st.integers(0, 9)
)


@given(texts)
def test_texts_come_back(value):
    assert stored(Type.STRING, value) == value


@given(st.integers(-(2**63), 2**63 - 1))
def test_whole_numbers_come_back_also_from_text(value):
    assert stored(Type.INT, value) == value
    assert stored(Type.INT, str(value)) == value
    assert stored(Type.STRING, value) == str(value)


@given(st.integers(-(2**53), 2**53))
def test_whole_floats_are_whole_numbers(value):
    assert stored(Type.INT, float(value)) == value


@given(finite)
def test_floats_come_back_also_from_text(value):
    assert stored(Type.FLOAT, value) == value
    assert stored(Type.FLOAT, repr(value)) == value


@given(decimals)
def test_decimals_are_exact_whatever_carries_them(value):
    assert stored(Type.DECIMAL, value) == value
    assert stored(Type.DECIMAL, format(value, "f")) == value


def test_decimals_reach_the_declared_precision():
    widest = Decimal("9" * 29 + "." + "9" * 9)
    assert stored(Type.DECIMAL, widest) == widest
    assert stored(Type.DECIMAL, 0.1) == Decimal("0.1")
    assert "decimal" in refusal(Type.DECIMAL, widest + 1)


@given(st.datetimes(dt.datetime(1901, 1, 1), dt.datetime(2199, 1, 1), timezones=st.sampled_from(ZONES)), st.booleans())
def test_aware_times_become_utc(value, as_text):
    expected = value.astimezone(dt.UTC).replace(tzinfo=None)
    assert stored(Type.TIMESTAMP, value.isoformat() if as_text else value) == expected


@given(st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)), st.booleans())
def test_naive_times_are_utc(value, as_text):
    assert stored(Type.TIMESTAMP, value.isoformat() if as_text else value) == value


def test_both_hours_of_an_autumn_night_stay_apart():
    assert timestamp("2024-10-27T03:30:00+03:00") == dt.datetime(2024, 10, 27, 0, 30)
    assert timestamp("2024-10-27T03:30:00+02:00") == dt.datetime(2024, 10, 27, 1, 30)
    assert timestamp("2024-10-27T00:30:00Z") == dt.datetime(2024, 10, 27, 0, 30)


@given(st.dates(), st.booleans())
def test_dates_come_back(value, as_text):
    assert stored(Type.DATE, value.isoformat() if as_text else value) == value


@given(st.booleans(), st.sampled_from([bool, lambda v: str(v), lambda v: str(v).lower(), lambda v: f" {v} "]))
def test_truth_comes_back(value, spell):
    assert stored(Type.BOOL, spell(value)) is value


@given(json_values.filter(lambda v: v is not None))
def test_json_comes_back(value):
    text = stored(Type.JSON, value)
    assert isinstance(text, str)
    assert orjson.loads(text) == value


@given(st.dictionaries(texts, st.integers(0, 9), min_size=2))
def test_equal_records_have_equal_json(value):
    assert canonical(value) == canonical(dict(reversed(value.items())))


def test_decimals_in_json_are_exact_text():
    assert canonical({"v": Decimal("0.100000000000000000001")}) == '{"v":"0.100000000000000000001"}'


REFUSED = [
    (Type.STRING, True),
    (Type.STRING, b"x"),
    (Type.STRING, {"a": 1}),
    (Type.STRING, "\ud800"),
    (Type.INT, True),
    (Type.INT, 1.5),
    (Type.INT, "1.5"),
    (Type.INT, ""),
    (Type.INT, "1_000"),
    (Type.INT, 2**63),
    (Type.INT, -(2**63) - 1),
    (Type.INT, str(2**64)),
    (Type.INT, float("nan")),
    (Type.INT, 1e300),
    (Type.INT, b"1"),
    (Type.FLOAT, True),
    (Type.FLOAT, float("nan")),
    (Type.FLOAT, float("inf")),
    (Type.FLOAT, "-inf"),
    (Type.FLOAT, "nan"),
    (Type.FLOAT, "1_0"),
    (Type.FLOAT, 10**400),
    (Type.FLOAT, "1,5"),
    (Type.BOOL, 1),
    (Type.BOOL, "yes"),
    (Type.BOOL, ""),
    (Type.TIMESTAMP, 1_700_000_000),
    (Type.TIMESTAMP, dt.date(2024, 1, 1)),
    (Type.TIMESTAMP, "yesterday"),
    (Type.TIMESTAMP, "0001-01-01T00:00:00+14:00"),
    (Type.DATE, dt.datetime(2024, 1, 1)),
    (Type.DATE, "2024-02-30"),
    (Type.DATE, "2024-01-01T00:00:00"),
    (Type.DATE, 20240101),
    (Type.DECIMAL, True),
    (Type.DECIMAL, "0.1234567891"),
    (Type.DECIMAL, "NaN"),
    (Type.DECIMAL, float("inf")),
    (Type.DECIMAL, "1e29"),
    (Type.DECIMAL, "1,5"),
    (Type.DECIMAL, "1_0"),
    (Type.JSON, {1: 2}),
    (Type.JSON, {"v": 2**70}),
    (Type.JSON, "\udfff"),
    (Type.JSON, {"v": b"x"}),
]


@pytest.mark.parametrize(("kind", "value"), REFUSED)
def test_what_does_not_fit_is_refused_and_can_be_set_aside(kind, value):
    message = refusal(kind, value)
    assert message.startswith("raw.typed.v: row 0 (id=1): ")
    assert "is not" in message
    data = extract(typed(kind), [{"id": 1, "v": value}, {"id": 2}], DAY, on_bad="quarantine")
    assert sum(b.num_rows for b in data.batches) == 1
    (item,) = data.rejected
    assert (item.table, item.partition, item.field) == ("raw.typed", DAY, "v")
    assert item.reason.startswith("v: ")
    assert "id" in json.loads(item.record)


def test_a_refusal_names_origin_and_key():
    rows = [{"id": "a", "number": 1}, {"id": "b", "number": "many", "_origin": "deals.csv row 7"}]
    with pytest.raises(ContractError, match=r"raw\.things\.number: deals\.csv row 7 \(id='b'\): 'many' is not int64"):
        list(extract(table(), rows, DAY).batches)


def test_row_numbers_run_on_over_batches():
    rows = [*({"id": str(n)} for n in range(7)), {"id": None}]
    with pytest.raises(ContractError, match=r"raw\.things\.id: row 7 .*missing in a required column"):
        list(extract(table(), rows, DAY, batch_rows=3).batches)


@pytest.mark.parametrize("value", [None, "absent"])
def test_required_columns_are_required(value):
    record = {"id": 1} if value == "absent" else {"id": 1, "v": None}
    with pytest.raises(ContractError, match=r"raw\.typed\.v: .*missing in a required column"):
        list(extract(typed(Type.STRING, required=True), [record], DAY).batches)


CANARY = "jane.doe@school.example"


@pytest.mark.parametrize("kind", [t for t in Type if t not in (Type.STRING, Type.JSON, Type.RECORDS)])
def test_personal_data_are_in_no_message_and_no_quarantined_record(kind):
    declared = typed(kind, pii="hashed")
    with pytest.raises(ContractError, match="a value of personal data is not") as caught:
        list(extract(declared, [{"id": 1, "v": CANARY}], DAY).batches)
    assert CANARY not in str(caught.value)
    data = extract(declared, [{"id": 1, "v": CANARY}], DAY, on_bad="quarantine")
    assert list(data.batches) == []
    assert CANARY not in repr(data.rejected)
    with pytest.raises(ContractError) as caught:
        conform(declared, pa.table({"id": [1], "v": [CANARY]}), DAY)
    assert "raw.typed.v" in str(caught.value)
    assert CANARY not in str(caught.value)


def test_personal_data_in_a_key_are_in_no_message():
    columns = (Column("email", Type.STRING, "k", pii="hashed"), Column("v", Type.INT, "v"))
    declared = Table("raw", "people", "x", columns, key=("email",))
    with pytest.raises(ContractError) as caught:
        list(extract(declared, [{"email": CANARY, "v": "x"}], DAY).batches)
    assert str(caught.value).startswith("raw.people.v: row 0 (email=…): 'x'")


def test_a_refused_record_is_kept_as_the_vendor_sent_it():
    declared = table(keep_raw=True)
    raw = {"ID": "a", "Number": "many", "Else": [1]}
    rows = [{"id": "a", "number": "many", "_raw": raw, "_origin": "GET /things a"}, {"id": "b", "number": 2}]
    data = extract(declared, rows, lambda r: f"2024-01-0{1 if r['id'] == 'a' else 2}", on_bad="quarantine")
    (batch,) = data.batches
    assert batch.column("id").to_pylist() == ["b"]
    assert batch.column("_load_partition").to_pylist() == ["2024-01-02"]
    (item,) = data.rejected
    assert json.loads(item.record) == raw
    assert (item.partition, item.origin, item.field) == ("2024-01-01", "GET /things a", "number")
    assert item.reason == "number: 'many' is not int64"


def test_an_undeclared_column_is_refused_even_in_quarantine_mode():
    for mode in ("fail", "quarantine"):
        with pytest.raises(ContractError, match=r"raw\.things: undeclared columns \['surprise'\]"):
            list(extract(table(), [{"id": "a"}, {"id": "b", "surprise": 1}], DAY, on_bad=mode).batches)
    with pytest.raises(ContractError, match=r"undeclared columns \['surprise'\]"):
        conform(table(), pa.table({"id": ["a"], "surprise": [1]}), DAY)


@given(st.lists(st.integers(), max_size=30), st.integers(1, 9))
def test_batches_are_bounded_and_lose_nothing(numbers, size):
    data = extract(table(), ({"id": str(n)} for n in numbers), DAY, batch_rows=size)
    batches = list(data.batches)
    assert all(0 < b.num_rows <= size for b in batches)
    assert [i for b in batches for i in b.column("id").to_pylist()] == [str(n) for n in numbers]


def test_records_are_read_only_as_batches_are_asked_for():
    taken = []
    source = ({"id": str(n)} for n in range(1_000) if taken.append(n) is None)
    stream = extract(table(), source, DAY, batch_rows=10).batches
    assert taken == []
    next(stream)
    assert len(taken) == 10


def test_empty_is_typed():
    for data in (empty(table(), {"source": "off"}), extract(table(), [], DAY)):
        assert sum(b.num_rows for b in data.batches) == 0
        assert data.rejected == []
    assert empty(table(), {"source": "off"}).metadata == {"source": "off"}
    assert all(b.schema == table().arrow_schema for b in empty(table()).batches)


def test_conform_casts_orders_and_fills():
    found = conform(table(), pa.table({"text": ["x"], "id": ["a"]}), DAY)
    assert found.schema == table().arrow_schema
    assert found.to_pylist() == [{"id": "a", "number": None, "text": "x", "_load_partition": DAY}]
    assert conform(table(), pa.table({"id": ["a"], "number": pa.array([3], pa.int8())}), DAY)["number"].to_pylist() == [
        3
    ]


def test_conform_refuses_what_does_not_fit():
    with pytest.raises(ContractError, match=r"raw\.things: required column id is missing"):
        conform(table(), pa.table({"number": [1]}), DAY)
    with pytest.raises(ContractError, match=r"raw\.things\.id: null in required column, first rows \[1\]"):
        conform(table(), pa.table({"id": ["a", None]}), DAY)
    with pytest.raises(ContractError, match=r"raw\.things\.number: string is not int64"):
        conform(table(), pa.table({"id": ["a"], "number": ["many"]}), DAY)
    with pytest.raises(ContractError, match=r"raw\.things\.number: double is not int64"):
        conform(table(), pa.table({"id": ["a"], "number": [1.5]}), DAY)
    with pytest.raises(ContractError, match=r"required column _load_partition is missing"):
        conform(table(), pa.table({"id": ["a"]}))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_conform_refuses_what_is_no_number(value):
    with pytest.raises(ContractError, match=r"raw\.typed\.v: .*not finite.*\[1\]"):
        conform(typed(Type.FLOAT), pa.table({"id": [1, 2], "v": [0.5, value]}), DAY)
