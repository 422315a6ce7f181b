"""The LQI asset and its reconciliation."""
