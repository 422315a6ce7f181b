"""How an export row becomes a row of `raw.ga4_events`: said once, spoken in DuckDB's SQL and in BigQuery's.

The rows come from a relation with the columns of `SCALARS`, `event_params` as exported, and what is known of the
shard: `shard` (YYYYMMDD), `table_last_modified`, `extra` (JSON text of columns nobody announced, or null).
"""

import json
from pathlib import Path
from typing import Any

from dreamclass_intel.defs.ga4.dialects import Dialect

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parent / "export_schema.json").read_text())
# Column of the relation -> where the export has it.
SCALARS: dict[str, str] = {
    "exported_date": "event_date",
    "event_timestamp": "event_timestamp",
    "event_name": "event_name",
    "event_bundle_sequence_id": "event_bundle_sequence_id",
    "user_id": "user_id",
    "user_pseudo_id": "user_pseudo_id",
    "stream_id": "stream_id",
    "platform": "platform",
    "is_active_user": "is_active_user",
    "batch_event_index": "batch_event_index",
    "batch_page_id": "batch_page_id",
    "batch_ordering_id": "batch_ordering_id",
    "analytics_storage": "privacy_info.analytics_storage",
    "device_category": "device.category",
    "country": "geo.country",
    "city": "geo.city",
    "first_user_source": "traffic_source.source",
    "first_user_medium": "traffic_source.medium",
    "first_user_campaign": "traffic_source.name",
    "collected_source": "collected_traffic_source.manual_source",
    "collected_medium": "collected_traffic_source.manual_medium",
    "collected_campaign": "collected_traffic_source.manual_campaign_name",
    "gclid": "collected_traffic_source.gclid",
    "session_source": "session_traffic_source_last_click.cross_channel_campaign.source",
    "session_medium": "session_traffic_source_last_click.cross_channel_campaign.medium",
    "session_campaign": "session_traffic_source_last_click.cross_channel_campaign.campaign_name",
    "session_default_channel_group": "session_traffic_source_last_click.cross_channel_campaign.default_channel_group",
}
PARAMS = (
    "page_location",
    "page_referrer",
    "page_title",
    "ga_session_id",
    "ga_session_number",
    "session_engaged",
    "engagement_time_msec",
)
WHOLE = ("ga_session_id", "ga_session_number", "engagement_time_msec")  # of PARAMS, whole numbers
# What says that two events are one, besides the time and the name.
IDENTITY = (
    "user_pseudo_id",
    "stream_id",
    "event_timestamp",
    "event_name",
    "event_bundle_sequence_id",
    "batch_page_id",
    "batch_ordering_id",
    "batch_event_index",
)
# Repeats of one key are numbered in this order, so that the same shard always numbers them alike.
ORDINAL = (
    *("user_id", "session_engaged", "country", "city", "device_category", "collected_source", "collected_medium"),
    *("collected_campaign", "has_gclid", "session_source", "session_medium", "session_campaign"),
    *("session_default_channel_group", "first_user_source", "first_user_medium", "first_user_campaign"),
    *("analytics_storage", "is_active_user", "platform", "extra_columns"),
)


def flattened(relation: str, say: Dialect, *, numbered: bool = True) -> str:
    """The query: `raw.ga4_events`' columns, `_load_partition`, and `_problem` where a row cannot be stored.

    Not `numbered`, whoever stores the rows has to number repeats.
    """
    parts = [f"COALESCE(CAST({name} AS {say.text}), '')" for name in IDENTITY]
    key = " || '|' || ".join([*parts, f"COALESCE({say.records_text()}, '')"])
    forms = {name: say.whole_of if name in WHOLE else say.text_of for name in PARAMS}
    values = ", ".join(f"{say.of_param(name, form)} AS value_{name}" for name, form in forms.items())
    passed = ", ".join(
        name
        for name in SCALARS
        if name not in ("exported_date", "event_timestamp", "user_id", "gclid")  # said below
    )
    ordered = ", ".join(f"{name} NULLS FIRST" for name in ORDINAL)
    ordinal = f"ROW_NUMBER() OVER (PARTITION BY event_date, event_key ORDER BY {ordered}) - 1" if numbered else "0"
    rows = f"""
    SELECT {passed}, event_key,
        {say.date("shard")} AS event_date, CAST({say.date("shard")} AS {say.text}) AS _load_partition,
        event_timestamp AS event_timestamp_us,
        {say.moment("event_timestamp")} AS event_at,
        {say.masked("user_id")} AS user_id,
        value_ga_session_id AS ga_session_id,
        value_ga_session_number AS ga_session_number,
        value_session_engaged IN ('1', 'true') AS session_engaged,
        value_engagement_time_msec AS engagement_time_ms,
        value_page_location AS page_location,
        value_page_referrer AS page_referrer,
        value_page_title AS page_title,
        gclid IS NOT NULL AS has_gclid,
        {say.others(PARAMS)} AS event_params,
        {say.masked_json("extra")} AS extra_columns,
        'events_' || shard AS source_table,
        table_last_modified,
        CASE WHEN exported_date IS DISTINCT FROM shard THEN 'event_date: not the date of its shard'
            WHEN event_name IS NULL THEN 'event_name: missing in a required column'
            WHEN event_timestamp IS NULL THEN 'event_timestamp_us: missing in a required column' END AS _problem
    FROM read"""
    return f"""
WITH source AS (
    SELECT *, {say.records()} AS params FROM {relation}
), listed AS (
    SELECT *, {say.helper()} AS helper FROM source
), read AS (
    SELECT *, {values}, {say.md5(key)} AS event_key FROM listed
), flat AS ({rows})
SELECT *, {ordinal} AS duplicate_ordinal FROM flat"""
