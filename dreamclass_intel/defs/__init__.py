"""Everything Dagster loads; a folder a subject."""
