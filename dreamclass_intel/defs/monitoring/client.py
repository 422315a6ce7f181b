"""Where alerts go: Apprise URLs (Slack, e-mail, webhook and many more), or the log when none is set."""

import apprise
import dagster as dg

from dreamclass_intel.settings import load_settings


class DeliveryError(RuntimeError):
    """An alert could not be delivered; names the channel's scheme, never its URL (it may hold a token)."""


class Notifier(dg.ConfigurableResource):
    """Sends a message to every configured channel."""

    def send(self, title: str, body: str, idempotency_key: str) -> list[str]:
        """Deliver once per channel; returns the channels' schemes ("log" when none is set).

        Webhooks receive the key as a header, so that a receiver can drop a repeat. Raises DeliveryError.
        """
        configured = load_settings().alert_urls
        urls = [u.strip() for u in configured.get_secret_value().split(",") if u.strip()] if configured else []
        if not urls:
            dg.get_dagster_logger("alerts").warning("%s\n%s", title, body)
            return ["log"]
        for url in urls:
            scheme = url.partition("://")[0]
            if scheme in ("json", "jsons", "form", "forms", "xml", "xmls"):
                url += ("&" if "?" in url else "?") + f"+Idempotency-Key={idempotency_key}"
            channel = apprise.Apprise()
            if not channel.add(url):
                raise DeliveryError(f"ALERT_URLS: a {scheme}:// URL is not one that Apprise understands")
            if not channel.notify(title=title, body=body):
                raise DeliveryError(f"The {scheme} channel did not accept the alert")
        return [url.partition("://")[0] for url in urls]


RESOURCES = {"notifier": Notifier()}
