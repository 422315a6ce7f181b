"""The warehouse: one small protocol, a DuckDB and a BigQuery backend, one IO manager."""
