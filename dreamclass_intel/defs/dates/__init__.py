"""The calendar everything joins to."""
