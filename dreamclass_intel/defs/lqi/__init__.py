"""The Lead Quality Index of each scoring window, and its reconciliation with the stored scores."""
