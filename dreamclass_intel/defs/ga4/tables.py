"""Raw tables of GA4."""

from dreamclass_intel.contracts import Column, Table, Type

EVENTS_ORIGIN = "source_table"  # says where a row comes from
EVENTS = Table(
    schema="raw",
    name="ga4_events",
    description="Events of the GA4 export, one row an event, flattened; a partition is a shard, whose date is in "
    "the property's time zone. Shards are re-published for three days, so the last days are loaded again daily.",
    columns=(
        Column("event_date", Type.DATE, "Date in the property's time zone = the shard's date", required=True),
        Column("event_timestamp_us", Type.INT, "Unix time of the event", required=True, unit="µs"),
        Column("event_at", Type.TIMESTAMP, "When it happened", required=True, unit="UTC"),
        Column("event_name", Type.STRING, "What happened, e.g. page_view", required=True),
        Column("event_key", Type.STRING, "Hash of user, stream, time, name, batch and parameters", required=True),
        Column("duplicate_ordinal", Type.INT, "0, or 1.. for repeats of the same event_key", required=True),
        Column("user_pseudo_id", Type.STRING, "Cookie id; null where consent was denied", pii="pseudonymous"),
        Column("user_id", Type.STRING, "The site's own id of a signed-in user", pii="pseudonymous"),
        Column("stream_id", Type.STRING, "Data stream"),
        Column("platform", Type.STRING, "WEB, IOS or ANDROID"),
        Column("ga_session_id", Type.INT, "Start of the session, unique within a user only", unit="Unix s"),
        Column("ga_session_number", Type.INT, "1 for the user's first session"),
        Column("session_engaged", Type.BOOL, "Engaged so far; of a session: true if true on any event"),
        Column("engagement_time_ms", Type.INT, "Foreground time since the last event", unit="ms"),
        Column("page_location", Type.STRING, "Full URL", pii="e-mail addresses masked"),
        Column("page_referrer", Type.STRING, "URL before", pii="e-mail addresses masked"),
        Column("page_title", Type.STRING, "Title of the page", pii="e-mail addresses masked"),
        Column("device_category", Type.STRING, "desktop, mobile or tablet"),
        Column("country", Type.STRING, "Country by IP, in English words"),
        Column("city", Type.STRING, "City by IP"),
        Column("collected_source", Type.STRING, "utm_source of this very event"),
        Column("collected_medium", Type.STRING, "utm_medium of this very event"),
        Column("collected_campaign", Type.STRING, "utm_campaign of this very event"),
        Column("has_gclid", Type.BOOL, "Whether this event carried a Google Ads click id", required=True),
        Column("session_source", Type.STRING, "GA4's last-click source of the session; null before July 2024"),
        Column("session_medium", Type.STRING, "GA4's last-click medium of the session"),
        Column("session_campaign", Type.STRING, "GA4's last-click campaign of the session"),
        Column("session_default_channel_group", Type.STRING, "GA4's default channel group of the session"),
        Column("first_user_source", Type.STRING, "Source that first brought the user; never the session's"),
        Column("first_user_medium", Type.STRING, "Medium that first brought the user"),
        Column("first_user_campaign", Type.STRING, "Campaign that first brought the user"),
        Column("analytics_storage", Type.STRING, "Consent: Yes, No or Unset"),
        Column("is_active_user", Type.BOOL, "Whether GA4 counts the user as active on the date"),
        Column("event_bundle_sequence_id", Type.INT, "Upload batch of the client"),
        Column("batch_page_id", Type.INT, "Order within equal time stamps: page"),
        Column("batch_ordering_id", Type.INT, "Order within equal time stamps: network call"),
        Column("batch_event_index", Type.INT, "Order within equal time stamps: event"),
        Column(
            "event_params",
            Type.RECORDS,
            "The other parameters, by key; of the values one is set",
            pii="e-mail addresses masked",
            fields=(
                Column("key", Type.STRING, "Name of the parameter", required=True),
                Column("string_value", Type.STRING, "Its text"),
                Column("int_value", Type.INT, "Its whole number"),
                Column("double_value", Type.FLOAT, "Its number"),
            ),
        ),
        Column("extra_columns", Type.JSON, "Top-level columns that the export's known schema does not have"),
        Column("source_table", Type.STRING, "Shard, e.g. events_20240131", required=True),
        Column("table_last_modified", Type.TIMESTAMP, "When that version of the shard was published", unit="UTC"),
    ),
    key=("event_date", "event_key", "duplicate_ordinal"),
    cluster=("event_name", "user_pseudo_id"),
)

REPORT_DAILY = Table(
    schema="raw",
    name="ga4_report_daily",
    description="GA4's own daily numbers by default channel group (Data API); a cross-check of the export. Users "
    "and sessions are not additive: never sum them over days or channels.",
    columns=(
        Column("report_date", Type.DATE, "Date in the property's time zone", required=True),
        Column(
            "session_default_channel_group",
            Type.STRING,
            "Default channel group; may be (other)",
            required=True,
        ),
        Column("sessions", Type.INT, "Sessions with an event on the date", required=True),
        Column("engaged_sessions", Type.INT, "Engaged sessions", required=True),
        Column("total_users", Type.INT, "Users with an event; not additive", required=True),
        Column("new_users", Type.INT, "Users with their first visit", required=True),
        Column("event_count", Type.INT, "Events", required=True),
        Column("key_events", Type.FLOAT, "Events marked as key events", required=True),
        Column("is_other_row", Type.BOOL, "The row is GA4's (other): a rest of unknown dimensions", required=True),
        Column("subject_to_thresholding", Type.BOOL, "GA4 withheld small counts from the answer", required=True),
        Column("data_loss_from_other_row", Type.BOOL, "The answer was cut by cardinality limits", required=True),
        Column("samples_read", Type.INT, "Events read, where the answer was sampled"),
        Column("sampling_space", Type.INT, "Events there were, where the answer was sampled"),
        Column("time_zone", Type.STRING, "The property's time zone as answered", required=True),
        Column("currency_code", Type.STRING, "The property's currency as answered"),
    ),
    key=("report_date", "session_default_channel_group"),
)

TABLES = (EVENTS, REPORT_DAILY)
