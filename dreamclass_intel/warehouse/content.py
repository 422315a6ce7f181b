"""What `_row_hash` is the MD5 of: one text a row, the same in both warehouses, which SQL can form again.

Every column that holds a value, in order of name, as `name=text;`. What people write carries its length
(`name=5:hello;`), so no two rows share a text. Nulls leave no trace: a new column changes no stored hash. A list of
records is its records' texts in braces, an empty one leaves no trace either.
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
    return f"md5({_duckdb_row(table.data_columns, '')})"


def duckdb_records(column: Column, name: str) -> str:
    """DuckDB's text of the list of records `name`; null for an empty one."""
    record = f"'{{' || {_duckdb_row(column.fields, 'r.')} || '}}'"
    return f"nullif(array_to_string(list_transform({name}, lambda r: {record}), ''), '')"


def bigquery_hash(table: Table) -> str:
    """BigQuery's SQL of a row's hash; also for rows that never leave BigQuery."""
    return f"TO_HEX(MD5({_bigquery_row(table.data_columns, '')}))"


def bigquery_records(column: Column, name: str) -> str:
    """BigQuery's text of the list of records `name`; null for an empty one."""
    record = f"CONCAT('{{', {_bigquery_row(column.fields, 'r.')}, '}}')"
    return f"(SELECT STRING_AGG({record}, '' ORDER BY place) FROM UNNEST({name}) AS r WITH OFFSET AS place)"


def _duckdb_row(columns: Iterable[Column], owner: str) -> str:
    # concat() passes over nulls; || is null with any.
    parts = []
    for column in _in_order(columns):
        name = f'{owner}"{column.name}"'
        text = duckdb_records(column, name) if column.fields else DUCKDB[column.type].format(name)
        length = f"length({text}) || ':' || " if column.type in WRITTEN else ""
        parts.append(f"'{column.name}=' || {length}{text} || ';'")
    return f"concat({', '.join(parts)})"


def _bigquery_row(columns: Iterable[Column], owner: str) -> str:
    parts = []
    for column in _in_order(columns):
        name = f"{owner}`{column.name}`"
        text = bigquery_records(column, name) if column.fields else BIGQUERY[column.type].format(name)
        length = f"CAST(LENGTH({text}) AS STRING), ':', " if column.type in WRITTEN else ""
        parts.append(f"IFNULL(CONCAT('{column.name}=', {length}{text}, ';'), '')")
    return f"CONCAT({', '.join(parts)})"


def _in_order(columns: Iterable[Column]) -> list[Column]:
    return sorted(columns, key=lambda c: c.name)
