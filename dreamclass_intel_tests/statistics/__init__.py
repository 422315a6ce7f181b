"""The pure statistics."""
