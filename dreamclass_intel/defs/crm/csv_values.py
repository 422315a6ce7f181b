"""The text of a CSV cell as a value of a column: dates, amounts, flags, lists; strict, never a guess."""

import datetime as dt
import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from dreamclass_intel.contracts import Column, Type
from dreamclass_intel.defs.crm.csv_mapping import Mapping as MappingFile

# 1.23E+10 is what a spreadsheet makes of a long id: the digits are lost.
MANGLED = re.compile(r"[+-]?\d(?:[.,]\d+)?E\+?\d+", re.IGNORECASE)
CURRENCY_SIGNS = re.compile(r"^(?:[$€£¥₹]|[A-Z]{3})\s?|\s?(?:[$€£¥₹]|[A-Z]{3})$")
NUMBER = {
    "point": re.compile(r"-?(?:\d+|\d{1,3}(?:[, ']\d{3})+)(?:\.\d+)?"),
    "comma": re.compile(r"-?(?:\d+|\d{1,3}(?:[. ']\d{3})+)(?:,\d+)?"),
}
FLAGS = {"true": True, "yes": True, "1": True, "y": True, "false": False, "no": False, "0": False, "n": False}
EXCEL_EPOCH = dt.datetime(1899, 12, 30)  # noqa: DTZ001 - serial days know no zone
EXCEL_DAYS = (1.0, 80_000.0)  # 1900 to 2119


class CellError(ValueError):
    """A cell that is not what its column holds; the text is the reason."""


Aliases = Mapping[str, Any]


def aliases(rules: MappingFile, name: str) -> Aliases:
    """The value map of a column, ready for look-up."""
    return {k.strip().casefold(): v for k, v in rules.values.get(name, {}).items()}


def parse(mapping: MappingFile, column: Column, text: str, alias: Aliases) -> Any:
    """The value of a stripped cell, or None for an empty one. Raises CellError."""
    if alias:
        listed = text.casefold()
        if listed not in alias:
            listed = "*" if text else ""
        if listed in alias:
            value = alias[listed]
            return value if value is None or column.type is not Type.STRING else str(value)
    if not text:
        return None
    match column.type:
        case Type.STRING:
            if column.name.endswith("_id") and MANGLED.fullmatch(text):
                raise CellError(f"{text!r} is an id mangled by a spreadsheet; export it as text")
            return text
        case Type.BOOL:
            if text.casefold() not in FLAGS:
                raise CellError(f"{text!r} is neither yes nor no; list it under values.{column.name}")
            return FLAGS[text.casefold()]
        case Type.TIMESTAMP | Type.DATE:
            return moment(mapping, column.name, text)
        case Type.DECIMAL:
            return number(mapping, text)
        case Type.INT:
            count = number(mapping, text)
            if count != count.to_integral_value():
                raise CellError(f"{text!r} is no whole number")
            return int(count)
        case Type.JSON:
            return [part.strip() for part in text.split(";") if part.strip()]
        case _:
            raise CellError(f"{column.type} cannot be read from CSV")


def number(mapping: MappingFile, text: str) -> Decimal:
    """A number with thousands separators, currency signs, or brackets for a negative one."""
    plain = text.replace("\u00a0", " ").replace("\u202f", " ").replace("\u2212", "-").strip()
    negative = plain.startswith("(") and plain.endswith(")")
    plain = plain[1:-1].strip() if negative else plain
    sign = "-" if plain.startswith("-") else ""
    plain = sign + CURRENCY_SIGNS.sub("", plain.removeprefix("-").strip()).strip()
    if not NUMBER[mapping.decimal].fullmatch(plain):
        raise CellError(f"{text!r} is no number with a decimal {mapping.decimal}")
    thousands, mark = (",", ".") if mapping.decimal == "point" else (".", ",")
    plain = plain.replace(thousands, "").replace(" ", "").replace("'", "").replace(mark, ".")
    value = Decimal(plain)
    exponent = value.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -9:
        raise CellError(f"{text!r} has more than 9 decimal places")
    return -value if negative else value


def moment(mapping: MappingFile, name: str, text: str) -> dt.datetime:
    """Naive UTC. A moment without offset is in the mapping's zone; a date without time stays that date."""
    formats = mapping.dates.get(name, mapping.date_formats)
    for form in formats:
        found = _moment(form, text)
        if found is None:
            continue
        value, has_time = found
        if value.tzinfo is None and has_time:
            value = value.replace(tzinfo=mapping.zone)
        return value.astimezone(dt.UTC).replace(tzinfo=None) if value.tzinfo else value
    raise CellError(f"{text!r} is no date of the form {' or '.join(formats)}")


def _moment(form: str, text: str) -> tuple[dt.datetime, bool] | None:
    try:
        if form == "iso":
            return dt.datetime.fromisoformat(text), len(text) > len("2024-01-31")
        if form == "excel":
            days = float(text.replace(",", "."))
            if not EXCEL_DAYS[0] <= days <= EXCEL_DAYS[1]:
                return None
            value = EXCEL_EPOCH + dt.timedelta(seconds=round(days * 86400))
            return value, not days.is_integer()
        return dt.datetime.strptime(text, form), any(c in form for c in ("%H", "%I", "%T", "%X"))  # noqa: DTZ007
    except ValueError:
        return None
