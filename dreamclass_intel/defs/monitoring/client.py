"""Where alerts go: Apprise URLs (Slack, e-mail, webhook and many more), or the log when none is set."""

import hashlib

import apprise
import dagster as dg

from dreamclass_intel.settings import load_settings

LOG = "log"


class DeliveryError(RuntimeError):
    """An alert could not be delivered; names the channel's scheme, never its URL (it may hold a token)."""


class Notifier(dg.ConfigurableResource):
    """Sends messages to the configured channels."""

    def channels(self) -> list[str]:
        """Names of the channels: scheme and a digest of the URL; the log when none is set."""
        return list(_urls()) or [LOG]

    def send(self, channel: str, title: str, body: str, idempotency_key: str) -> None:
        """Deliver on one channel. Webhooks receive the key as a header, so that a receiver can drop a repeat.

        Raises DeliveryError.
        """
        if channel == LOG:
            dg.get_dagster_logger("alerts").warning("%s\n%s", title, body)
            return
        url = _urls()[channel]
        scheme = url.partition("://")[0]
        if scheme in ("json", "jsons", "form", "forms", "xml", "xmls"):
            url += ("&" if "?" in url else "?") + f"+Idempotency-Key={idempotency_key}"
        messenger = apprise.Apprise()
        if not messenger.add(url):
            raise DeliveryError(f"ALERT_URLS: a {scheme}:// URL is not one that Apprise understands")
        if not messenger.notify(title=title, body=body):
            raise DeliveryError(f"The {scheme} channel did not accept the alert")


def _urls() -> dict[str, str]:
    configured = load_settings().alert_urls
    urls = [u.strip() for u in configured.get_secret_value().split(",") if u.strip()] if configured else []
    return {f"{u.partition('://')[0]}:{hashlib.sha256(u.encode()).hexdigest()[:12]}": u for u in urls}


RESOURCES = {"notifier": Notifier()}
