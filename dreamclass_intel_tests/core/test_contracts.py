"""Declarations that contradict themselves are refused; identifiers are a closed set."""

import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dreamclass_intel import catalog
from dreamclass_intel.contracts import (
    ARROW,
    IDENTIFIER,
    IS_DELETED,
    RAW,
    SYSTEM_COLUMNS,
    Column,
    ContractError,
    Table,
    Type,
    Write,
    quote,
)
from dreamclass_intel_tests.core.helpers import table

HOSTILE = st.one_of(
    st.text(min_size=0, max_size=80),
    st.from_regex(r"[a-z_]{1,8}[\"'; \-\n\.\x00\u00e9A-Z][a-z_]{0,8}", fullmatch=True),
    st.sampled_from(
        [
            'x"; DROP TABLE t; --',
            "a b",
            "a.b",
            "É",
            "ａ",
            "a\n",
            "a\x00",
            "A",
            "1a",
            "",
            "a" * 64,
            "a-b",
            "a'b",
            "a\u200b",
        ]
    ),
)


@settings(max_examples=1_000)
@given(HOSTILE)
def test_only_plain_names_are_quoted(name):
    plain = 0 < len(name) <= 63 and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789_") and not name[0].isdigit()
    if plain:
        assert quote(name) == f'"{name}"'
    else:
        with pytest.raises(ContractError, match="is not an identifier"):
            quote(name)


@pytest.mark.parametrize("name", ['x"y', "a\n", "Upper", "", "a" * 64])
def test_hostile_names_are_refused_in_declarations(name):
    with pytest.raises(ContractError, match=re.escape(repr(name))):
        Column(name, Type.STRING, "x")
    with pytest.raises(ContractError, match=re.escape(repr(name))):
        table(name=name)


@pytest.mark.parametrize("name", ["_partition", "_partitiontime", "_table_x", "__root__", "_change_type"])
def test_names_that_bigquery_keeps_for_itself_are_refused(name):
    with pytest.raises(ContractError, match=rf"'{name}' begins as BigQuery's own do"):
        Column(name, Type.STRING, "x")


def test_a_declaration_that_contradicts_itself_is_refused():
    a = Column("a", Type.STRING, "x")
    with pytest.raises(ContractError, match=r"raw\.t: duplicate column"):
        Table("raw", "t", "x", (a, a), key=("a",))
    with pytest.raises(ContractError, match=r"raw\.t: key, cluster or version names no column: \['b'\]"):
        Table("raw", "t", "x", (a,), key=("b",))
    with pytest.raises(ContractError, match="key, cluster or version"):
        Table("raw", "t", "x", (a,), key=())
    with pytest.raises(ContractError, match=r"\['c'\]"):
        Table("raw", "t", "x", (a,), key=("a",), cluster=("c",))


def test_what_follows_from_a_declaration():
    declared = table(Write.SNAPSHOT, keep_raw=True, deletes=True)
    assert declared.data_columns[-2:] == (IS_DELETED, RAW)
    assert declared.stored_columns[-4:] == SYSTEM_COLUMNS
    assert declared.required == {"id", "_is_deleted"}
    assert declared.row_key == ("id", "_load_partition")
    assert table(Write.UPSERT).row_key == table(Write.REPLACE).row_key == ("id",)
    assert declared.arrow_schema.names == [*(c.name for c in declared.data_columns), "_load_partition"]
    assert [f.name for f in declared.arrow_schema if not f.nullable] == ["id", "_is_deleted", "_load_partition"]


def test_every_type_has_an_arrow_type_that_keeps_it():
    assert {*ARROW, Type.RECORDS} == set(Type)
    assert ARROW[Type.DECIMAL] == pa.decimal128(38, 9)
    assert ARROW[Type.TIMESTAMP] == pa.timestamp("us")


def test_a_list_of_records_has_its_fields_and_nothing_else_has():
    fields = (Column("key", Type.STRING, "k"), Column("number", Type.INT, "n"))
    listed = Column("params", Type.RECORDS, "p", fields=fields)
    assert listed.arrow == pa.list_(pa.struct([("key", pa.string()), ("number", pa.int64())]))
    for wrong in (
        {"type": Type.RECORDS},
        {"type": Type.INT, "fields": fields},
        {"type": Type.RECORDS, "fields": (listed,)},
    ):
        with pytest.raises(ContractError, match="fields"):
            Column(name="x", description="x", **wrong)


def test_the_catalog_holds_sound_tables():
    tables = catalog.tables()
    assert len(tables) > 30
    for address, declared in tables.items():
        assert address == declared.address
        assert declared.description.strip()
        assert all(c.description.strip() for c in declared.columns), address
        assert all(IDENTIFIER.fullmatch(c.name) for c in declared.stored_columns)


def test_a_table_declared_twice_is_refused(monkeypatch):
    from dreamclass_intel.defs.backend import tables as backend

    monkeypatch.setattr(backend, "TABLES", (*backend.TABLES, backend.TABLES[0]))
    with pytest.raises(ContractError, match=rf"{re.escape(backend.TABLES[0].address)} is declared twice"):
        catalog.tables.__wrapped__()
