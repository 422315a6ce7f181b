"""CSV exports as they really are: encodings, delimiters, headers and row numbers. Values stay text."""

import codecs
import csv
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from dreamclass_intel.defs.crm.csv_mapping import Mapping, MappingError, load_mapping

SUFFIXES = frozenset({".csv", ".tsv", ".txt"})
DELIMITERS = (",", ";", "\t", "|")
MAX_CELL = 4 * 1024 * 1024  # notes can be long; Python's own limit is 128 kB


@dataclass(frozen=True)
class CsvFile:
    """One export and its mapping."""

    path: Path
    mapping: Mapping

    @property
    def sha256(self) -> str:
        """Hash of the file's bytes."""
        with self.path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()


def folder_files(folder: Path) -> list[CsvFile]:
    """The exports in a folder in order of name, each with `<name>.mapping.yaml` beside it.

    Raises MappingError for a file without mapping, a mapping without file, or no folder.
    """
    if not folder.is_dir():
        raise MappingError(f"CRM_CSV_DIR: {folder} is no folder")
    exports = sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES and not p.name.startswith("."))
    wanted = {p: p.with_name(f"{p.stem}.mapping.yaml") for p in exports}
    for path, mapping in wanted.items():
        if not mapping.exists():
            raise MappingError(f"{path.name}: there is no {mapping.name} beside it")
    orphans = sorted(p.name for p in folder.glob("*.mapping.yaml") if p not in wanted.values())
    if orphans:
        raise MappingError(f"{', '.join(orphans)}: there is no CSV file of that name")
    return [CsvFile(path, load_mapping(mapping)) for path, mapping in wanted.items()]


@dataclass(frozen=True)
class Sheet:
    """An open export: `index` says in which cell a column of theirs is, `width` is that of the header."""

    file: CsvFile
    header: list[str]
    index: dict[str, int]
    encoding: str
    delimiter: str

    @property
    def width(self) -> int:
        """Cells in the header."""
        return len(self.header)

    def position(self, theirs: str) -> int | None:
        """The cell of a column, or None."""
        return self.index.get(_plain(theirs))

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Records with any content, with the row number a spreadsheet shows (the header is row 1)."""
        for number, cells in _records(self.file.path, self.encoding, self.delimiter):
            if number > 1 and any(cell.strip() for cell in cells):
                yield number, cells


def open_sheet(file: CsvFile) -> Sheet:
    """Find out how a file is written and check its header. Raises MappingError."""
    path, mapping = file.path, file.mapping
    encoding = _encoding(path) if mapping.encoding == "auto" else mapping.encoding
    wanted = {_plain(t) for ours in mapping.columns for t in mapping.theirs(ours)}
    best: tuple[int, str, list[str]] | None = None
    for delimiter in DELIMITERS if mapping.delimiter == "auto" else (mapping.delimiter,):
        header = next(_records(path, encoding, delimiter), (1, []))[1]
        found = len(wanted & {_plain(name) for name in header})
        if best is None or found > best[0]:
            best = (found, delimiter, header)
    assert best is not None
    _, delimiter, header = best
    if not any(cell.strip() for cell in header):
        raise MappingError(f"{path.name}: the first row holds no header")
    index: dict[str, int] = {}
    doubled: set[str] = set()
    for position, name in enumerate(header):
        plain, copy = _plain(name), 2
        if plain in index:
            doubled.add(plain)
            while f"{plain}__{copy}" in index:
                copy += 1
            plain = f"{plain}__{copy}"
        index[plain] = position
    if clash := sorted(wanted & doubled):
        raise MappingError(
            f"{path.name}: the header has {clash[0]!r} more than once; write {clash[0]}__2 for the second, or "
            "rename it in the file"
        )
    _missing(file, index, header)
    return Sheet(file, header, index, encoding, delimiter)


def _missing(file: CsvFile, index: dict[str, int], header: list[str]) -> None:
    mapping, missing = file.mapping, []
    for ours in mapping.columns:
        absent = [t for t in mapping.theirs(ours) if _plain(t) not in index]
        enough = isinstance(mapping.columns[ours], list) and len(absent) < len(mapping.theirs(ours))
        if absent and not enough and ours not in mapping.optional:
            missing.append(f"{' or '.join(map(repr, absent))} (for {ours})")
    missing += [f"{name!r} (to keep)" for name in mapping.keep if _plain(name) not in index]
    if missing:
        raise MappingError(f"{file.path.name}: the header lacks {', '.join(missing)}; it has {', '.join(header)[:300]}")


def _plain(name: str) -> str:
    return " ".join(name.split()).casefold()


def _encoding(path: Path) -> str:
    """By byte order mark; else UTF-8 if all of it is, else cp1252, Excel's own."""
    with path.open("rb") as stream:
        head = stream.read(4)
        if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return "utf-16"
        if len(head) == 4 and head[1::2] == b"\0\0":
            return "utf-16-le"
        decoder = codecs.getincrementaldecoder("utf-8-sig")()
        stream.seek(0)
        try:
            while block := stream.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return "cp1252"
    return "utf-8-sig"


def _records(path: Path, encoding: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    before = csv.field_size_limit()
    try:
        csv.field_size_limit(max(before, MAX_CELL))
        with path.open(encoding=encoding, newline="") as stream:
            yield from enumerate(csv.reader(stream, delimiter=delimiter), 1)
    except (csv.Error, UnicodeError, LookupError) as error:
        raise MappingError(f"{path.name}: cannot be read as {encoding} CSV: {error}") from None
    except OSError as error:
        raise MappingError(f"{path.name}: {error.strerror or error}") from None
