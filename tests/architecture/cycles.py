"""The check against import cycles."""

from pathlib import Path

from tests.architecture.source import Import, imports, modules

__all__ = ["import_cycles"]


def import_cycles(root: Path) -> list[str]:
    """Return a sentence for each import that closes a cycle, with the way round.

    The `__init__.py` of a layer counts as a module: one that imports that of its own layer closes a cycle.
    Imports under `if TYPE_CHECKING` do not count: what is imported for types alone may be anywhere.
    """
    found = modules(root)
    names = frozenset(module.name for module in found)
    graph = {
        module.name: _reached([each for each in imports(module) if not each.for_types], names, module.name)
        for module in found
    }
    finished: set[str] = set()
    cycles: list[str] = []
    for name in sorted(graph):
        if name not in finished:
            cycles += _visit(name, graph, finished, [])
    return cycles


def _reached(found: list[Import], names: frozenset[str], own: str) -> list[str]:
    reached = {f"{each.module}.{each.name}" for each in found} & names
    reached |= {each.module for each in found if f"{each.module}.{each.name}" not in names} & names
    return sorted(reached - {own})


def _visit(name: str, graph: dict[str, list[str]], finished: set[str], way: list[str]) -> list[str]:
    if name in way:
        return [" -> ".join([*way[way.index(name) :], name])]
    if name in finished:
        return []
    cycles = [cycle for each in graph[name] for cycle in _visit(each, graph, finished, [*way, name])]
    finished.add(name)
    return cycles
