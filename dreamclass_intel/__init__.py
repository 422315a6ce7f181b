"""The DreamClass Intelligence Suite."""
