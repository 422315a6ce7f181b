"""What `_row_hash` is the MD5 of: one text a row, the same in both warehouses, which SQL can form again.

Every column that holds a value, in order of name, as `name=text;`. What people write carries its length
(`name=5:hello;`), so no two rows share a text. Nulls leave no trace: a new column changes no stored hash.
"""

from collections.abc import Iterable

from dreamclass_intel.contracts import Column, Table, Type

WRITTEN = (Type.STRING, Type.JSON)

# Shortest texts of floats and trailing zeros of decimals differ between engines: both are given a form of their own.
DUCKDB: dict[Type, str] = {
    Type.STRING: "CAST({0} AS VARCHAR)",
    Type.JSON: "CAST({0} AS VARCHAR)",
    Type.INT: "CAST({0} AS VARCHAR)",
    Type.BOOL: "CAST({0} AS VARCHAR)",
    Type.DATE: "CAST({0} AS VARCHAR)",
    Type.TIMESTAMP: "CAST(epoch_us({0}) AS VARCHAR)",
    Type.FLOAT: "CASE WHEN {0} = 0 THEN '0' ELSE printf('%.16e', {0}) END",
    Type.DECIMAL: "rtrim(rtrim(CAST({0} AS VARCHAR), '0'), '.')",
}
BIGQUERY: dict[Type, str] = {
    Type.STRING: "{0}",
    Type.JSON: "{0}",
    Type.INT: "CAST({0} AS STRING)",
    Type.BOOL: "CAST({0} AS STRING)",
    Type.DATE: "CAST({0} AS STRING)",
    Type.TIMESTAMP: "CAST(UNIX_MICROS({0}) AS STRING)",
    Type.FLOAT: "CASE WHEN {0} = 0 THEN '0' ELSE FORMAT('%.16e', {0}) END",
    # BigQuery writes 100, not 100.000000000: only behind a point are zeros idle.
    Type.DECIMAL: "CASE WHEN STRPOS(CAST({0} AS STRING), '.') = 0 THEN CAST({0} AS STRING) "
    "ELSE RTRIM(RTRIM(CAST({0} AS STRING), '0'), '.') END",
}


def duckdb_hash(table: Table) -> str:
    """DuckDB's SQL of a row's hash over the table's own columns."""
    # concat() passes over nulls; || is null with any.
    parts = [
        f"'{c.name}=' || length({text}) || ':' || {text} || ';'"
        if c.type in WRITTEN
        else f"'{c.name}=' || {text} || ';'"
        for c, text in _texts(table.data_columns, DUCKDB, '"')
    ]
    return f"md5(concat({', '.join(parts)}))"


def bigquery_hash(table: Table) -> str:
    """BigQuery's SQL of the same; also for rows that never leave BigQuery."""
    parts = [
        f"IFNULL(CONCAT('{c.name}=', CAST(LENGTH({text}) AS STRING), ':', {text}, ';'), '')"
        if c.type in WRITTEN
        else f"IFNULL(CONCAT('{c.name}=', {text}, ';'), '')"
        for c, text in _texts(table.data_columns, BIGQUERY, "`")
    ]
    return f"TO_HEX(MD5(CONCAT({', '.join(parts)})))"


def _texts(columns: Iterable[Column], forms: dict[Type, str], mark: str) -> list[tuple[Column, str]]:
    return [(c, forms[c.type].format(f"{mark}{c.name}{mark}")) for c in sorted(columns, key=lambda c: c.name)]
