"""Declared columns as BigQuery's schema fields, and stored fields as the contract's words."""

from google.cloud import bigquery

from dreamclass_intel.contracts import PARTITION, Column, Table, describe
from dreamclass_intel.warehouse import bigquery_sql as sql

LEGACY = {"INTEGER": "INT64", "FLOAT": "FLOAT64", "BOOLEAN": "BOOL"}  # the API's names of types


def fields(table: Table) -> list[bigquery.SchemaField]:
    """The declared table's columns as stored, the partitioning day last."""
    required = set(sql.never_null(table))
    made = [_field(c, required=c.name in required) for c in table.stored_columns]
    if sql.partitioned(table):
        made.append(bigquery.SchemaField(sql.DAY, "DATE", description=f"Day of {PARTITION.name}; filter to read less"))
    return made


def _field(column: Column, *, required: bool) -> bigquery.SchemaField:
    if column.fields:
        inner = [_field(f, required=False) for f in column.fields]
        return bigquery.SchemaField(column.name, "RECORD", "REPEATED", fields=inner, description=describe(column))
    mode = "REQUIRED" if required else "NULLABLE"
    return bigquery.SchemaField(column.name, sql.SQL_TYPE[column.type], mode, description=describe(column))


def nullable(field: bigquery.SchemaField) -> bigquery.SchemaField:
    """The field, without its being required."""
    if field.mode == "REPEATED":
        return field
    return bigquery.SchemaField(field.name, field.field_type, description=field.description)


def types(stored: bigquery.Table) -> dict[str, str]:
    """Every stored column's type, in the words of `bigquery_sql.stored_types`."""
    return {field.name: _type(field) for field in stored.schema}


def _type(field: bigquery.SchemaField) -> str:
    if field.fields:
        return f"ARRAY<STRUCT<{', '.join(f'{f.name} {_type(f)}' for f in field.fields)}>>"
    return LEGACY.get(field.field_type, field.field_type)
