"""Constrained single-link clustering: strongest evidence first, vetoes respected, blind to input order."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from dreamclass_intel.identity.model import Edge, Key, Rule, Veto


@dataclass(frozen=True, slots=True)
class Cluster:
    """Records of one company, and the strongest tree of evidence that holds them together."""

    members: frozenset[Key]
    tree: tuple[Edge, ...]

    @property
    def seed(self) -> Key:
        """The record the company is built around: the first by system and id."""
        return min(self.members)

    def evidence(self) -> dict[Key, tuple[Rule, Key | None]]:
        """For every record, the rule that ties it to the seed's tree and the record it is tied to."""
        near: dict[Key, list[Edge]] = defaultdict(list)
        for edge in self.tree:
            near[edge.a].append(edge)
            near[edge.b].append(edge)
        found: dict[Key, tuple[Rule, Key | None]] = {self.seed: (Rule.SEED, None)}
        todo = [self.seed]
        while todo:
            here = todo.pop()
            for edge in near[here]:
                other = edge.b if edge.a == here else edge.a
                if other not in found:
                    found[other] = (edge.rule, here)
                    todo.append(other)
        return found


def cluster(records: Iterable[Key], edges: Iterable[Edge], vetoes: Iterable[Veto] = ()) -> list[Cluster]:
    """Union-find over edges by descending weight; a union across a stronger veto is refused.

    The result depends on the sets given, not on their order: edges are sorted by weight, then by records.
    """
    parent = {key: key for key in records}
    members: dict[Key, set[Key]] = {key: {key} for key in parent}
    barred: dict[Key, dict[Key, float]] = defaultdict(dict)
    for veto in vetoes:
        for a, b in ((veto.a, veto.b), (veto.b, veto.a)):
            barred[a][b] = max(veto.strength, barred[a].get(b, 0.0))
    trees: dict[Key, list[Edge]] = defaultdict(list)

    def find(key: Key) -> Key:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    def refused(a: Key, b: Key, weight: float) -> bool:
        few, many = sorted((members[a], members[b]), key=len)
        return any(
            strength > weight and other in many
            for key in few
            if key in barred
            for other, strength in barred[key].items()
        )

    for edge in sorted(edges, key=lambda e: (-e.weight, e.a, e.b, e.rule.label, e.value)):
        a, b = sorted((find(edge.a), find(edge.b)))
        if a == b or refused(a, b, edge.weight):
            continue
        parent[b] = a
        members[a] |= members.pop(b)
        trees[a] += [*trees.pop(b, []), edge]
    return [Cluster(frozenset(members[root]), tuple(trees.get(root, ()))) for root in sorted(members)]
