"""ChartMogul: MRR movements, daily MRR, customers, subscriptions and plans (API v1, read only)."""
