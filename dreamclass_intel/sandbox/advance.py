"""Moves a running sandbox's clock on."""

import requests

from dreamclass_intel.settings import load_settings


def advance(days: int) -> str:
    """Advance by whole days; returns what happened, in words. Raises OSError if the sandbox does not answer."""
    url = load_settings().sandbox_url
    response = requests.post(f"{url}/clock/advance", json={"days": days}, timeout=300)
    response.raise_for_status()
    return (
        f"It is now {response.json()['now']} in the sandbox. The daemon's sensors load the new days, then the new "
        "scoring windows and weeks; watch the Runs page."
    )
