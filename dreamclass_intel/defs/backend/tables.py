"""Raw tables of the DreamClass backend."""

from dreamclass_intel.contracts import Column, Table, Type

EVENTS = Table(
    schema="raw",
    name="backend_events",
    description="Product events as received, one row a delivery (an event may come again), partitioned by UTC "
    "date received; staging keeps the newest delivery and dates it by when it happened.",
    columns=(
        Column("event_id", Type.STRING, "Id of the event (UUIDv7)", required=True),
        Column("event_name", Type.STRING, "What happened, e.g. class_created", required=True),
        Column("event_version", Type.INT, "Version of the event's own schema", required=True),
        Column("account_id", Type.STRING, "Product account", required=True),
        Column("user_id", Type.STRING, "Acting user"),
        Column("user_role", Type.STRING, "admin, teacher, student or guardian"),
        Column("actor_type", Type.STRING, "user, system or impersonation", required=True),
        Column("session_id", Type.STRING, "Product session"),
        Column("ga_client_id", Type.STRING, "GA4 client id, where the site passed it on"),
        Column("occurred_at", Type.TIMESTAMP, "When it happened", required=True, unit="UTC"),
        Column("received_at", Type.TIMESTAMP, "When the backend stored it", required=True, unit="UTC"),
        Column("source", Type.STRING, "web, mobile, api or import", required=True),
        Column("is_test", Type.BOOL, "Test traffic", required=True),
        Column("properties", Type.JSON, "Allow-listed properties of the event"),
        Column("lateness_s", Type.INT, "received_at - occurred_at", unit="s", required=True),
    ),
    key=("event_id", "received_at"),
    cluster=("event_name", "account_id"),
)

TABLES = (EVENTS,)
