"""How an export row becomes a row of `raw.ga4_events`: said once, spoken in DuckDB's SQL and in BigQuery's.

The rows come from a relation with the columns of `SCALARS`, `event_params` as exported, and what is known of the
shard: `shard` (YYYYMMDD), `table_last_modified`, `extra` (JSON text of columns nobody announced, or null).
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from typing_extensions import override

from dreamclass_intel.contracts import Type
from dreamclass_intel.defs.ga4.tables import EVENTS
from dreamclass_intel.privacy import email_pattern
from dreamclass_intel.warehouse.content import BIGQUERY, DUCKDB

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
PARTS = r"\s\p{Z}"  # spaces, to RE2
ADDRESS = email_pattern(PARTS)
# In JSON text an escape sequence before an address is none of its letters.
ADDRESS_IN_JSON = r"(\\(?:[bfnrt]|u[0-9A-Fa-f]{4}))?" + ADDRESS
(PARAMETERS,) = [c for c in EVENTS.columns if c.name == "event_params"]


class Dialect(ABC):
    """What the two engines say differently."""

    integer: str
    text: str

    @abstractmethod
    def cast_integer(self, expression: str) -> str:
        """A text or a number as an integer; null where it is none."""

    @abstractmethod
    def matches(self, text: str, pattern: str) -> str:
        """Whether a text matches a regular expression."""

    @abstractmethod
    def digits_of_session(self, text: str) -> str:
        """The digits after a leading `s`."""

    @abstractmethod
    def moment(self, microseconds: str) -> str:
        """Timestamp of Unix microseconds."""

    @abstractmethod
    def date(self, yyyymmdd: str) -> str:
        """Date of a YYYYMMDD text."""

    @abstractmethod
    def replaced_in(self, expression: str, pattern: str, replacement: str) -> str:
        """A text with every match of an address's pattern replaced."""

    def masked(self, expression: str) -> str:
        """A text with e-mail addresses, plain or URL-encoded, reduced to their domain."""
        return self.replaced_in(expression, ADDRESS, r"[e-mail]@\1")

    def masked_json(self, expression: str) -> str:
        """The same of JSON text."""
        return self.replaced_in(expression, ADDRESS_IN_JSON, r"\1[e-mail]@\2")

    @abstractmethod
    def records(self) -> str:
        """`event_params` as the contract's records, masked, in order of key."""

    @abstractmethod
    def helper(self) -> str:
        """A column that `value` needs beside `params`."""

    @abstractmethod
    def of_param(self, name: str, form: Callable[[str], str]) -> str:
        """What `form` makes of one of `params` (the name of a record); null where it is absent."""

    @abstractmethod
    def text_of(self, record: str) -> str:
        """A record's value as text."""

    def whole_of(self, record: str) -> str:
        """A record's value as a whole number; null where it is none. Engines differ in what text they take for one,
        so only digits are cast, and a real number only without a fraction."""
        real, text = f"{record}.double_value", f"{record}.string_value"
        digits = f"CASE WHEN STARTS_WITH({text}, 's') THEN {self.digits_of_session(text)} ELSE {text} END"
        return (
            f"COALESCE({record}.int_value, "
            f"CASE WHEN {real} = TRUNC({real}) AND ABS({real}) < 9e15 THEN {self.cast_integer(real)} END, "
            f"CASE WHEN {self.matches(digits, '^-?[0-9]{1,18}$')} THEN {self.cast_integer(digits)} END)"
        )

    @abstractmethod
    def others(self, named: Sequence[str]) -> str:
        """`params` without the named ones."""

    @abstractmethod
    def records_text(self) -> str:
        """`params` as one text, for the event's key."""

    @abstractmethod
    def md5(self, text: str) -> str:
        """Hexadecimal MD5."""


def literal(text: str) -> str:
    """A string literal of either engine; what needs escaping is refused."""
    if "'" in text or "\\" in text:
        raise ValueError(text)
    return f"'{text}'"


class DuckDB(Dialect):
    """DuckDB's words."""

    integer, text = "BIGINT", "VARCHAR"

    @override
    def cast_integer(self, expression: str) -> str:
        return f"TRY_CAST({expression} AS BIGINT)"

    @override
    def matches(self, text: str, pattern: str) -> str:
        return f"regexp_matches({text}, '{pattern}')"

    @override
    def digits_of_session(self, text: str) -> str:
        return f"regexp_extract({text}, '^s(\\d+)', 1)"

    @override
    def moment(self, microseconds: str) -> str:
        return f"make_timestamp({microseconds})"

    @override
    def date(self, yyyymmdd: str) -> str:
        return f"strptime({yyyymmdd}, '%Y%m%d')::DATE"

    @override
    def replaced_in(self, expression: str, pattern: str, replacement: str) -> str:
        quoted = pattern.replace("'", "''")
        has = f"contains({expression}, '@') OR contains({expression}, '%40')"
        masked = f"regexp_replace({expression}, '{quoted}', '{replacement}', 'g')"
        return f"CASE WHEN {has} THEN {masked} ELSE {expression} END"

    @override
    def records(self) -> str:
        record = (
            f"{{'key': {self.masked('p.key')}, 'string_value': {self.masked('p.value.string_value')}, "
            "'int_value': p.value.int_value, 'double_value': coalesce(p.value.double_value, p.value.float_value)}"
        )
        return f"list_sort(list_transform(coalesce(event_params, []), lambda p: {record}))"

    @override
    def helper(self) -> str:
        return "list_transform(params, lambda r: r.key)"

    @override
    def of_param(self, name: str, form: Callable[[str], str]) -> str:
        return form(f"params[list_position(helper, {literal(name)})]")

    @override
    def text_of(self, record: str) -> str:
        real = DUCKDB[Type.FLOAT].format(f"{record}.double_value")
        return f"coalesce({record}.string_value, CAST({record}.int_value AS VARCHAR), {real})"

    @override
    def others(self, named: Sequence[str]) -> str:
        return f"list_filter(params, lambda r: r.key NOT IN ({', '.join(map(literal, named))}))"

    @override
    def records_text(self) -> str:
        real = DUCKDB[Type.FLOAT].format("r.double_value")
        text = f"concat(r.key, '=', r.string_value, '|', r.int_value, '|', {real}, ';')"
        return f"array_to_string(list_transform(params, lambda r: {text}), '')"

    @override
    def md5(self, text: str) -> str:
        return f"md5({text})"


class BigQuery(Dialect):
    """BigQuery's words, as far as its emulators understand them too."""

    integer, text = "INT64", "STRING"

    @override
    def cast_integer(self, expression: str) -> str:
        return f"SAFE_CAST({expression} AS INT64)"

    @override
    def matches(self, text: str, pattern: str) -> str:
        return f"REGEXP_CONTAINS({text}, r'{pattern}')"

    @override
    def digits_of_session(self, text: str) -> str:
        return f"REGEXP_EXTRACT({text}, r'^s(\\d+)')"

    @override
    def moment(self, microseconds: str) -> str:
        return f"TIMESTAMP_MICROS({microseconds})"

    @override
    def date(self, yyyymmdd: str) -> str:
        return f"PARSE_DATE('%Y%m%d', {yyyymmdd})"

    @override
    def replaced_in(self, expression: str, pattern: str, replacement: str) -> str:
        has = f"STRPOS({expression}, '@') > 0 OR STRPOS({expression}, '%40') > 0"
        masked = f'REGEXP_REPLACE({expression}, r"""{pattern}""", r"""{replacement}""")'
        return f"CASE WHEN {has} THEN {masked} ELSE {expression} END"

    @override
    def records(self) -> str:
        # DuckDB sorts records field by field with nulls last.
        order = ", ".join(f"r.{f.name} IS NULL, r.{f.name}" for f in PARAMETERS.fields)
        fields = ", ".join(f"r.{f.name} AS {f.name}" for f in PARAMETERS.fields)
        read = (
            f"SELECT {self.masked('ep.key')} AS key, {self.masked('ep.value.string_value')} AS string_value, "
            "ep.value.int_value AS int_value, COALESCE(ep.value.double_value, ep.value.float_value) AS double_value "
            "FROM UNNEST(event_params) AS ep"
        )
        return f"ARRAY(SELECT AS STRUCT {fields} FROM ({read}) AS r ORDER BY {order})"

    @override
    def helper(self) -> str:
        return "TRUE"

    @override
    def of_param(self, name: str, form: Callable[[str], str]) -> str:
        return (
            f"(SELECT {form('r')} FROM UNNEST(params) AS r WITH OFFSET AS place WHERE r.key = {literal(name)} "
            "ORDER BY place LIMIT 1)"
        )

    @override
    def text_of(self, record: str) -> str:
        real = BIGQUERY[Type.FLOAT].format(f"{record}.double_value")
        return f"COALESCE({record}.string_value, CAST({record}.int_value AS STRING), {real})"

    @override
    def others(self, named: Sequence[str]) -> str:
        fields = ", ".join(f"r.{f.name} AS {f.name}" for f in PARAMETERS.fields)
        return (
            f"ARRAY(SELECT AS STRUCT {fields} FROM UNNEST(params) AS r WITH OFFSET AS place "
            f"WHERE r.key NOT IN ({', '.join(map(literal, named))}) ORDER BY place)"
        )

    @override
    def records_text(self) -> str:
        real = BIGQUERY[Type.FLOAT].format("r.double_value")
        values = ("r.string_value", "CAST(r.int_value AS STRING)", real)
        texts = ", '|', ".join(f"IFNULL({value}, '')" for value in values)
        text = f"CONCAT(IFNULL(r.key, ''), '=', {texts}, ';')"
        return f"(SELECT STRING_AGG({text}, '' ORDER BY place) FROM UNNEST(params) AS r WITH OFFSET AS place)"

    @override
    def md5(self, text: str) -> str:
        return f"TO_HEX(MD5({text}))"


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
