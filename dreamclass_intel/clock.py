"""What time it is for the pipeline: the sandbox's clock while any source is on it, else the wall clock."""

import datetime as dt

import dagster as dg

from dreamclass_intel.http import Api
from dreamclass_intel.settings import load_settings

# GA4 publishes yesterday in the afternoon; a day is asked for only then, so that it is rarely incomplete.
READY_AFTER = dt.timedelta(hours=16)


class Clock(dg.ConfigurableResource):
    """The pipeline's now."""

    def now(self) -> dt.datetime:
        """Aware UTC. Raises SourceError when the sandbox should be running and is not."""
        settings = load_settings()
        if not settings.uses_sandbox:
            return dt.datetime.now(dt.UTC)
        answer = Api("sandbox", settings.sandbox_url, timeout_s=10).get("/clock")
        return dt.datetime.fromisoformat(answer["now"])

    def newest_day(self) -> dt.date:
        """Newest closed UTC day."""
        return self.now().astimezone(dt.UTC).date() - dt.timedelta(days=1)

    def newest_ready_day(self) -> dt.date:
        """Newest UTC day that closed READY_AFTER ago: every vendor should have published it."""
        return (self.now().astimezone(dt.UTC) - READY_AFTER).date() - dt.timedelta(days=1)
