"""The check against shared state: no module holds anything that can be changed."""

import ast
from pathlib import Path

from tests.architecture.project import LOOP_STATE
from tests.architecture.source import Module, module_level, modules

__all__ = ["mutable_globals"]

_DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp)
_MUTABLE = frozenset(
    {
        *("list", "dict", "set", "bytearray", "iter", "count", "cycle"),
        *("defaultdict", "deque", "OrderedDict", "Counter", "ChainMap", "SimpleNamespace"),
        *("WeakSet", "WeakKeyDictionary", "WeakValueDictionary"),
        *("Lock", "RLock", "Event", "Condition", "Semaphore", "Queue", "local"),
    }
)


def mutable_globals(root: Path) -> list[str]:
    """Return a sentence for each list, dict, set or other changeable thing a module holds.

    Tuples, frozensets, `MappingProxyType({...})`, loggers, type variables and context variables are free. So
    is `__all__`, and the dictionary of app-wide contexts. A `global` statement is a breach too: it says that
    a name of the module changes.
    """
    found: list[str] = []
    for module in modules(root):
        held = [each for each in _held(module.tree) if _names(each) != [LOOP_STATE.get(str(module.path))]]
        found += [f"{_at(module, each)}: no module-global state" for each in held]
        rebound = [each for each in ast.walk(module.tree) if isinstance(each, ast.Global)]
        found += [f"{_at(module, each)}: no `global`" for each in rebound]
    return found


def _held(tree: ast.Module) -> list[ast.stmt]:
    return [
        each for each in module_level(tree.body) if _names(each) != ["__all__"] and _is_mutable(_value(each))
    ]


def _value(statement: ast.stmt) -> ast.expr | None:
    return statement.value if isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign) else None


def _names(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.Assign(targets=targets):
            return [each.id for each in targets if isinstance(each, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
        case _:
            return []


def _is_mutable(value: ast.expr | None) -> bool:
    match value:
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return name in _MUTABLE
        case ast.Call(func=ast.Subscript(value=ast.Name(id=name))):
            return name in _MUTABLE
        case ast.IfExp(body=body, orelse=orelse):
            return _is_mutable(body) or _is_mutable(orelse)
        case ast.Tuple(elts=items):
            return any(_is_mutable(item) for item in items)
        case _:
            return isinstance(value, _DISPLAYS)


def _at(module: Module, statement: ast.stmt) -> str:
    return f"{module.path}:{statement.lineno}"
