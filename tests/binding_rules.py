"""The rule that a name has one home: no module gives a name of another module once more."""

from __future__ import annotations

import ast

from tests.source_rules import Modules


def no_name_is_bound_again(modules: Modules) -> list[str]:
    """`Phase = choices.Phase` would give `Phase` a second module to import it from."""
    return [
        f"{name} binds {ast.unparse(node.value)} again"
        for name, tree in modules.items()
        for node in tree.body
        if isinstance(node, ast.Assign) and _own_name(node.value, _imported(tree)) in _names(node)
    ]


def _imported(tree: ast.Module) -> set[str]:
    """The names that imports from our own packages bind."""
    return {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("concertmaster")
        for alias in node.names
    }


def _own_name(value: ast.expr, imported: set[str]) -> str:
    """The name that a value has in the module of ours it comes from; "" for other values."""
    match value:
        case ast.Attribute(value=ast.Name(id=module), attr=attribute) if module in imported:
            return attribute
        case _:
            return ""


def _names(node: ast.Assign) -> set[str]:
    return {target.id for target in node.targets if isinstance(target, ast.Name)}
