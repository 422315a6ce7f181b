"""A series from a CSV or JSON file, or a one-line error that names the file, the row and the column.

Nothing is guessed that could change a number: a decimal comma, a percent sign or the word NA is refused, an
empty cell is a missing window. Not here: any statistics, any printing.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"[+-]?[\d. ]*\d,\d+", re.ASCII)
_DELIMITERS = (
    "\t",
    ";",
    ",",
)  # in this order: a comma may be part of a cell where tabs or semicolons separate


class SeriesError(ValueError):
    """A file that holds no readable series; the message is one line for the person who named the file."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))


@dataclass(frozen=True)
class Series:
    """A series as read: `values` (None = missing window), `labels` and `denominators` of the same length or
    None, the column's name.
    """

    values: list[float | None]
    labels: list[str] | None
    column: str | None
    denominators: list[float | None] | None = None


def read_series(path: str | Path, column: str | None = None, denominator: str | None = None) -> Series:
    """Read the series of `column` (or of the only numeric column beside the denominator) from a CSV or JSON array
    file in UTF-8, and the column `denominator` with it, if one is named.

    The file's first column gives the labels where it is neither of them. Raises SeriesError for a file that
    cannot be read, is empty, has no such column, holds something other than a number in it, or a value without
    its denominator.
    """
    path = Path(path)
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise SeriesError(f"{path}: {error.strerror or error}") from None
    except (UnicodeDecodeError, ValueError):
        raise SeriesError(f"{path}: not a UTF-8 text file") from None
    if not text.strip():
        raise SeriesError(f"{path}: the file is empty")
    if path.suffix.lower() == ".json" or text.lstrip()[0] in "[{":
        return _from_json(path, text, column, denominator)
    return _from_csv(path, text, column, denominator)


# --- CSV


def _from_csv(path: Path, text: str, column: str | None, denominator: str | None) -> Series:
    first_line = next(line for line in text.splitlines() if line.strip())
    unquoted = re.sub(r'"[^"]*"', "", first_line)
    delimiter = next((d for d in _DELIMITERS if d in unquoted), ",")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[tuple[int, list[str]]] = []  # (line in the file, cells)
    try:
        rows.extend((reader.line_num, [cell.strip() for cell in cells]) for cells in reader)
    except csv.Error as error:
        raise SeriesError(f"{path}: row {reader.line_num}: {error}") from None
    while rows and not rows[-1][1]:
        rows.pop()
    while rows and not rows[0][1]:
        rows.pop(0)
    header = rows[0][1]
    if all(_NUMBER.fullmatch(cell) for cell in header):
        if len(header) > 1:
            hint = ", or a decimal comma (use a point)" if delimiter == "," else ""
            raise SeriesError(f"{path}: row {rows[0][0]}: numbers where the column names should be{hint}")
        header = ["value"]
    else:
        rows = rows[1:]
    if len(header) == 1:
        rows = [(line, cells or [""]) for line, cells in rows]  # in one column an empty line is an empty cell
    rows = [(line, cells) for line, cells in rows if cells]
    for line, cells in rows:
        if len(cells) != len(header):
            hint = ": a decimal comma? use a point" if delimiter == "," and len(cells) > len(header) else ""
            raise SeriesError(f"{path}: row {line}: {len(cells)} cells, the header has {len(header)}{hint}")
    below = None if denominator is None else _named(path, header, denominator)
    if column is None:
        index = _numeric_column(path, header, [cells for _, cells in rows], below)
    else:
        index = _named(path, header, column)
    values = [_cell(path, line, header[index], cells[index]) for line, cells in rows]
    sizes = None if below is None else [_cell(path, line, header[below], cells[below]) for line, cells in rows]
    labels = [cells[0] for _, cells in rows] if index and below != 0 else None
    _check_pairs(path, "row", [line for line, _ in rows], values, sizes, header[index], denominator)
    return Series(values, labels if labels and all(labels) else None, header[index], sizes)


def _named(path: Path, header: list[str], column: str) -> int:
    if header.count(column) == 1:
        return header.index(column)
    problem = "no column" if column not in header else "more than one column"
    raise SeriesError(f"{path}: {problem} {column!r}; the columns are: {', '.join(header)}")


def _numeric_column(path: Path, header: list[str], rows: list[list[str]], below: int | None) -> int:
    if len(header) == 1:
        return 0
    # A column counts as numeric where most of its cells are, so that one bad cell is reported and not stepped
    # around.
    numeric = []
    for index in range(len(header)):
        cells = [row[index] for row in rows if row[index] and index != below]
        good = sum(bool(_NUMBER.fullmatch(cell) or _DECIMAL_COMMA.fullmatch(cell)) for cell in cells)
        if cells and good * 2 > len(cells):
            numeric.append(index)
    return _only(path, numeric, header)


def _cell(path: Path, line: int, column: str, cell: str) -> float | None:
    if not cell:
        return None
    if _NUMBER.fullmatch(cell):
        value = float(cell)
        if math.isfinite(value):
            return value
        raise _refusal(path, f"row {line}", column, f"{cell} is too large")
    if _DECIMAL_COMMA.fullmatch(cell):
        raise _refusal(
            path,
            f"row {line}",
            column,
            f"{cell!r} has a comma: write decimals with a point, thousands without",
        )
    raise _refusal(path, f"row {line}", column, f"{_short(cell)} is not a number (leave a missing window empty)")


# --- JSON


def _from_json(path: Path, text: str, column: str | None, denominator: str | None) -> Series:
    try:
        data = json.loads(text, parse_constant=_Constant)
    except json.JSONDecodeError as error:
        raise SeriesError(f"{path}: row {error.lineno}: not JSON: {error.msg}") from None
    except (RecursionError, ValueError):
        raise SeriesError(f"{path}: not JSON that can be read (nested too deep, or a number too long)") from None
    if not isinstance(data, list):
        raise SeriesError(f"{path}: a JSON array is needed, the file holds {_kind(data)}")
    if not data:
        raise SeriesError(f"{path}: the array is empty")
    if not any(isinstance(item, dict) for item in data):
        if (wanted := column or denominator) is not None:
            raise SeriesError(f"{path}: no column {wanted!r}: the array holds numbers, not objects")
        return Series([_item(path, i, None, item) for i, item in enumerate(data)], None, None)
    names: dict[str, None] = {}
    for i, item in enumerate(data):
        if not isinstance(item, dict):
            raise SeriesError(f"{path}: item {i}: {_kind(item)} among objects")
        names.update(dict.fromkeys(item))
    header = list(names)
    below = None if denominator is None else _named(path, header, denominator)
    if column is None:
        numeric = [index for index in _numeric_keys(data, header) if index != below]
        column = header[_only(path, numeric, header)]
    else:
        _named(path, header, column)
    values = [_item(path, i, column, item.get(column)) for i, item in enumerate(data)]
    sizes = None
    if denominator is not None:
        sizes = [_item(path, i, denominator, item.get(denominator)) for i, item in enumerate(data)]
    _check_pairs(path, "item", range(len(data)), values, sizes, column, denominator)
    labels = [item.get(header[0]) for item in data] if header[0] not in (column, denominator) else []
    usable = bool(labels) and all(isinstance(label, str | int) for label in labels)
    # A lone surrogate ("\ud800") is legal JSON and cannot be written to any file: replaced here, once.
    texts = [str(label).encode("utf-8", "replace").decode() for label in labels]
    return Series(values, texts if usable else None, column, sizes)


class _Constant:
    """NaN or Infinity in a JSON file: kept as a marker so that the error can say where it stands."""

    def __init__(self, name: str) -> None:
        self.name = name


def _numeric_keys(data: list[dict[str, object]], header: list[str]) -> list[int]:
    found = []
    for index, key in enumerate(header):
        cells = [item[key] for item in data if item.get(key) is not None]
        good = sum(isinstance(cell, int | float | _Constant) and not isinstance(cell, bool) for cell in cells)
        if cells and good * 2 > len(cells):
            found.append(index)
    return found


def _item(path: Path, index: int, column: str | None, item: object) -> float | None:
    if item is None:
        return None
    if isinstance(item, int | float) and not isinstance(item, bool):
        try:
            if math.isfinite(value := float(item)):
                return value
        except OverflowError:
            pass
        raise _refusal(path, f"item {index}", column, "the number is too large")
    shown = item.name if isinstance(item, _Constant) else _short(item) if isinstance(item, str) else _kind(item)
    raise _refusal(path, f"item {index}", column, f"{shown} is not a number (write null for a missing window)")


# --- both


def _only(path: Path, numeric: list[int], header: list[str]) -> int:
    if len(numeric) == 1:
        return numeric[0]
    if not numeric:
        raise SeriesError(f"{path}: no column holds numbers; the columns are: {', '.join(header)}")
    names = ", ".join(header[index] for index in numeric)
    raise SeriesError(f"{path}: several columns hold numbers ({names}): choose one with --column")


def _check_pairs(
    path: Path,
    unit: str,
    places: Sequence[int],
    values: list[float | None],
    sizes: list[float | None] | None,
    column: str,
    denominator: str | None,
) -> None:
    if denominator == column:
        raise SeriesError(f"{path}: column {column!r} cannot be its own denominator")
    for place, value, size in zip(places, values, sizes or [], strict=False):
        if value is not None and size is None:
            raise _refusal(path, f"{unit} {place}", denominator, "a value needs its denominator")


def _refusal(path: Path, where: str, column: str | None, what: str) -> SeriesError:
    return SeriesError(f"{path}: {where}{f', column {column!r}' if column is not None else ''}: {what}")


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")


def _kind(item: object) -> str:
    kinds = {dict: "an object", list: "an array", str: "text", bool: "true or false", type(None): "null"}
    return kinds.get(type(item), "a number")
