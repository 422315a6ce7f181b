"""Google Analytics 4: the event export (shard files or BigQuery) and daily reports of the Data API."""
