"""Pure statistics: no Dagster, no warehouse, no vendor."""
