"""Fixtures of the tests of sources."""

from types import SimpleNamespace

import pytest
import tenacity.nap


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Retries do not wait; what they would have waited, in seconds."""
    asked: list[float] = []
    monkeypatch.setattr(tenacity.nap, "time", SimpleNamespace(sleep=asked.append))
    return asked
