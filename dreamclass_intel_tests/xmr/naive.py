"""A second implementation of the definitions, in exact fractions and plain loops: the oracle of the property
tests.

It shares no code with the library. Values are fractions (decimals as written), so ties are ties.
"""

from fractions import Fraction

Values = list[Fraction | None]
NPL, URL = Fraction("2.660"), Fraction("3.268")


def limits(values: Values, bridge: bool = False) -> tuple[Fraction, Fraction] | None:
    """Mean and mean moving range of all values, or None where there are none."""
    points = [v for v in values if v is not None]
    steps = []
    last: Fraction | None = None
    for v in values:
        if v is None:
            last = last if bridge else None
            continue
        if last is not None:
            steps.append(abs(v - last))
        last = v
    if len(points) < 6 or not steps:
        return None
    return sum(points, Fraction(0)) / len(points), sum(steps, Fraction(0)) / len(steps)


def signals(values: Values, center: Fraction, mr: Fraction, bridge: bool = False) -> set[tuple[object, ...]]:
    """(rule, side, start, end, known_at, members) of every event."""
    blocks: list[list[int]] = [[]]
    for i, v in enumerate(values):
        if v is not None:
            blocks[-1].append(i)
        elif not bridge:
            blocks.append([])
    found: set[tuple[object, ...]] = set()
    for block in blocks:
        for side, sign in (("above", 1), ("below", -1)):
            distance = {i: sign * (values[i] - center) for i in block}  # type: ignore[operator]
            for i in block:
                if distance[i] > NPL * mr:
                    found.add(("outside_limits", side, i, i, i, (i,)))
            run: list[int] = []
            for i in [*block, None]:
                if i is not None and distance[i] > 0:
                    run.append(i)
                    continue
                if len(run) >= 8:
                    found.add(("run_of_8", side, run[0], run[-1], run[7], tuple(run)))
                run = []
            beyond = [distance[i] > NPL * mr / 2 for i in block]
            event: list[int] | None = None  # first window's start, its end, the last window's end, as places
            for end in range(3, len(block) + 1):
                if end < len(block) and sum(beyond[end - 3 : end + 1]) >= 3:
                    if event is None or end - 3 > event[2] + 1:
                        _close(event, block, beyond, side, found)
                        event = [end - 3, end, end]
                    event[2] = end
            _close(event, block, beyond, side, found)
    return found


def _close(
    event: list[int] | None, block: list[int], beyond: list[bool], side: str, found: set[tuple[object, ...]]
) -> None:
    if event is not None:
        start, known, end = event
        members = tuple(block[k] for k in range(start, end + 1) if beyond[k])
        found.add(("3_of_4", side, block[start], block[end], block[known], members))
