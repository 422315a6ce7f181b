"""Reads and writes decisions.yaml, where the state of rebaseline proposals is kept under version control.

The file is written in one form only (entries by metric and window, one field a line, text in double quotes), so that a
decision is a change of three lines and reading then writing gives the same bytes. A wrong entry fails at load, naming
file and entry.
"""

import datetime as dt
import json
import os
import re
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock

from dreamclass_intel.defs.metrics.registry import Metric, metrics
from dreamclass_intel.defs.xmr.charts import label
from dreamclass_intel.partitions import START
from dreamclass_intel.settings import load_settings
from dreamclass_intel.xmr.decisions import Decision, Decisions, ordered

PATH = Path(__file__).with_name("decisions.yaml")
REQUIRED = ("metric", "at", "kind", "state", "who", "when", "why")
FIELDS = (*REQUIRED, "evidence")


def load(path: Path | None = None) -> Decisions:
    """The decisions of a file (None: PATH), in its order; ValueError naming the file and the entry, also for a metric
    that is not registered and a window that no period of it is called.
    """
    path = path or PATH
    found = parse(path.read_text(encoding="utf-8"), path.name)
    registered = {m.id: m for m in metrics()}
    for decision in found:
        problem = _problem(decision, registered.get(decision.metric))
        if problem:
            raise ValueError(f"{path.name}: {decision.metric} at {decision.at}: {problem}")
    return found


def save(decisions: Iterable[Decision], path: Path | None = None) -> None:
    """Write the decisions to a file (None: PATH), below the comment at its head, if it has one. ValueError for a file
    with comments further down: they would be lost.
    """
    path = path or PATH
    before = path.read_text(encoding="utf-8") if path.exists() else ""
    head = _head(before)
    if any(line.lstrip().startswith("#") for line in before[len(head) :].splitlines()):
        raise ValueError(f"{path.name}: a comment below the head would be lost; put it into the entry's why")
    whole = path.with_name(f".{path.name}.{os.getpid()}")
    whole.write_text(head + render(decisions), encoding="utf-8", newline="\n")
    whole.replace(path)  # a reader sees the file before or after, never half of it


def changing() -> FileLock:
    """Held while the file is read, decided upon and written: nobody else's decision gets lost between."""
    folder = load_settings().state_dir
    folder.mkdir(parents=True, exist_ok=True)
    return FileLock(folder / "decisions.lock")


def parse(text: str, name: str = PATH.name) -> Decisions:
    """The decisions in a file's text; ValueError naming `name` and the entry."""
    try:
        entries = yaml.load(text, Loader=_Texts)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        raise ValueError(f"{name}: not YAML: {' '.join(str(error).split())}") from None
    if not isinstance(entries, list):
        raise ValueError(f"{name}: a list of decisions is wanted, not {type(entries).__name__}")
    found = []
    for number, entry in enumerate(entries, 1):
        try:
            found.append(_decision(entry))
        except ValueError as error:
            raise ValueError(f"{name}: entry {number}{_name(entry)}: {error}") from None
    try:
        return ordered(found)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def render(decisions: Iterable[Decision]) -> str:
    """The text of a file without its head."""
    entries = [
        "\n".join(
            f"{'- ' if name == 'metric' else '  '}{name}: {_quoted(getattr(decision, name))}"
            for name in FIELDS
            if name in REQUIRED or getattr(decision, name)
        )
        for decision in ordered(decisions)
    ]
    return "\n\n".join(entries) + "\n" if entries else "[]\n"


def _problem(decision: Decision, metric: Metric | None) -> str | None:
    if metric is None:
        return "no such metric in the registry"
    try:
        week = re.fullmatch(r"(\d{4})-W(\d\d)", decision.at)
        day = dt.date.fromisocalendar(int(week[1]), int(week[2]), 1) if week else dt.date.fromisoformat(decision.at)
    except ValueError:
        day = None
    if day is None or (day - START) % metric.period or label(metric, day) != decision.at:
        return f"no {metric.grain.replace('_', ' ')} is called so (they are called like {label(metric, START)})"
    return None


class _Texts(yaml.SafeLoader):
    """YAML whose scalars are all text: a date or a number without quotes is what it looks like."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """A mapping; a field given twice (a merge gone wrong) is an error, not the last one."""
        names = [key.value for key, _ in node.value]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise yaml.constructor.ConstructorError(None, None, f"field {twice!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


_Texts.yaml_implicit_resolvers = {}


def _quoted(text: str) -> str:
    """Text in double quotes on one line; what does not print is escaped, which YAML would fold or refuse."""
    return "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in json.dumps(text, ensure_ascii=False))


def _decision(entry: Any) -> Decision:
    if not isinstance(entry, dict):
        raise ValueError(f"fields are wanted, not {entry!r:.60}")
    if unknown := [name for name in entry if name not in FIELDS]:
        raise ValueError(f"no such field: {unknown[0]!r} (there are {', '.join(FIELDS)})")
    if missing := [name for name in REQUIRED if name not in entry]:
        raise ValueError(f"{missing[0]} is missing")
    return Decision(**entry)


def _name(entry: Any) -> str:
    if isinstance(entry, dict) and isinstance(entry.get("metric"), str) and isinstance(entry.get("at"), str):
        return f" ({entry['metric']} at {entry['at']})"
    return ""


def _head(text: str) -> str:
    head = ""
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.startswith("#"):
            break
        head += line
    return head
