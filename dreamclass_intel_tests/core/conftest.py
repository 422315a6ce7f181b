"""Hypothesis for the core: the same examples every time, and no deadlines on a busy machine."""

from hypothesis import settings

settings.register_profile("core", deadline=None, derandomize=True, database=None)
settings.load_profile("core")
