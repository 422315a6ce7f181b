"""Stored columns against declared ones, in a warehouse's own words for types: what may be added, what is refused."""

from dreamclass_intel.contracts import ContractError, Table


def schema_difference(table: Table, name: str, stored: dict[str, str], wanted: dict[str, str]) -> dict[str, str]:
    """Columns to add, with their types. Raises ContractError for any other difference, with the SQL to run."""
    changed = [f"{n} {stored[n]} -> {t}" for n, t in wanted.items() if n in stored and stored[n] != t]
    gone = sorted(set(stored) - set(wanted))
    if changed or gone:
        raise ContractError(
            f"{table.address}: stored columns differ from the contract (changed: {changed}, gone: {gone}). "
            f"If its source still has its past: DROP TABLE {name}; then materialise its partitions again. If not "
            "(snapshots, shards that expired), copy its rows into a table of the new columns instead"
        )
    return {n: t for n, t in wanted.items() if n not in stored}


def type_problems(stored: dict[str, str], wanted: dict[str, str]) -> list[str]:
    """The same differences in the words of an audit."""
    problems = [f"column {n} is {stored.get(n, 'missing')}, not {t}" for n, t in wanted.items() if stored.get(n) != t]
    return problems + [f"column {n} is not declared" for n in sorted(set(stored) - set(wanted))]
