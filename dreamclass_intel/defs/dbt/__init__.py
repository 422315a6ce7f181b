"""dbt in the asset graph: the project, its translation to asset keys, its lineage."""
