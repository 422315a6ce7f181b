"""What DuckDB and BigQuery say differently, as far as GA4's events need it. What is said stands in `flatten_sql`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence

from typing_extensions import override

from dreamclass_intel.contracts import Type
from dreamclass_intel.defs.ga4.tables import EVENTS
from dreamclass_intel.privacy import email_pattern
from dreamclass_intel.warehouse.content import BIGQUERY, DUCKDB

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
