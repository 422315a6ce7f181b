"""Which id a cluster keeps: the maximum-weight overlap assignment to the previous generation, exactly.

Weight = records a cluster shares with the former company of an id. No other rule changes fewer records' ids.
Ties go to the oldest id. Solved per connected component by the Hungarian method over integers (the installation
has no scipy, and floats could not carry the tie-break).
"""

import base64
import hashlib
from collections import Counter, defaultdict
from collections.abc import Hashable, Mapping, Sequence
from datetime import date

from dreamclass_intel.identity.model import Key


def new_id(seed: Key, first_seen: date, salt: int = 0) -> str:
    """Opaque id of a company first published on a day around a seed record: `cmp_` + 16 base32 digits (80 bits)."""
    text = "\x1f".join(("company", *seed, first_seen.isoformat(), *([str(salt)] if salt else [])))
    return "cmp_" + base64.b32encode(hashlib.sha256(text.encode()).digest()[:10]).decode().lower()


def assign(
    clusters: Sequence[frozenset[Key]], previous: Mapping[Key, str], age: Mapping[str, date]
) -> list[str | None]:
    """The former id each cluster keeps, None for a cluster that needs a new one; no id is given twice.

    `age` is the day each former id was first published.
    """
    overlaps = [Counter(previous[k] for k in c if k in previous) for c in clusters]
    claims: dict[str, list[int]] = defaultdict(list)
    for number, overlap in enumerate(overlaps):
        for company in overlap:
            claims[company].append(number)
    result: list[str | None] = [None] * len(clusters)
    done: set[int] = set()
    for first, overlap in enumerate(overlaps):
        if first in done or not overlap:
            continue
        if len(overlap) == 1 and len(claims[next(iter(overlap))]) == 1:  # nothing to decide
            result[first] = next(iter(overlap))
            continue
        part, todo = {first}, [first]
        while todo:
            for company in overlaps[todo.pop()]:
                new = [n for n in claims[company] if n not in part]
                part.update(new)
                todo += new
        done |= part
        rows = sorted(part, key=lambda n: min(clusters[n]))
        ids = sorted({c for n in rows for c in overlaps[n]}, key=lambda c: (age[c], c))
        scale = 1 << len(ids)
        weights = [
            [overlaps[n][c] * scale + (scale >> (rank + 1)) if overlaps[n][c] else 0 for rank, c in enumerate(ids)]
            for n in rows
        ]
        for n, column in zip(rows, maximum_assignment(weights), strict=True):
            result[n] = None if column is None else ids[column]
    return result


def maximum_assignment(weights: Sequence[Sequence[int]]) -> list[int | None]:
    """For each row the column it gets so that the sum of weights is largest; weight 0 means unassigned.

    Hungarian method with potentials, O(rows^2 * columns), exact for integers of any size.
    """
    rows = len(weights)
    columns = len(weights[0]) if rows else 0
    width = max(rows, columns)  # padded with weight 0, so that every row finds a column
    top = max((w for row in weights for w in row), default=0)
    cost = [[top - w for w in row] + [top] * (width - columns) for row in weights]
    infinity = (top + 1) * (width + 1)
    u, v = [0] * (rows + 1), [0] * (width + 1)
    owner = [0] * (width + 1)  # row matched to a column, 1-based; 0 = free
    for row in range(1, rows + 1):
        owner[0], here = row, 0
        least, back, used = [infinity] * (width + 1), [0] * (width + 1), [False] * (width + 1)
        while owner[here]:
            used[here] = True
            current, delta, following = owner[here], infinity, 0
            for j in range(1, width + 1):
                if used[j]:
                    continue
                reduced = cost[current - 1][j - 1] - u[current] - v[j]
                if reduced < least[j]:
                    least[j], back[j] = reduced, here
                if least[j] < delta:
                    delta, following = least[j], j
            for j in range(width + 1):
                if used[j]:
                    u[owner[j]] += delta
                    v[j] -= delta
                else:
                    least[j] -= delta
            here = following
        while here:
            owner[here], here = owner[back[here]], back[here]
    result: list[int | None] = [None] * rows
    for j in range(1, columns + 1):
        if owner[j] and weights[owner[j] - 1][j - 1]:
            result[owner[j] - 1] = j - 1
    return result


def resolve(company: Hashable, successors: Mapping[str, str | None]) -> str | None:
    """Follow redirects to the id that stands for `company` today; None if it was retired without one."""
    seen: set[Hashable] = set()
    current: Hashable = company
    while current in successors:
        if current in seen:
            raise ValueError(f"redirects of {company} form a cycle")
        seen.add(current)
        current = successors[str(current)]
    return None if current is None else str(current)
