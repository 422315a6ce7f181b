"""The registry of charted metrics (registry.yaml) and the SQL generated from it. No Dagster asset lives here:
`metric_series` is a dbt model, the charts are in `defs/xmr`."""
