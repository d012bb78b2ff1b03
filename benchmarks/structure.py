"""Signs of the package's structure: functions, statements, modules, folders and circles of imports.

``python -m benchmarks.structure [FOLDER ...]`` prints a table for the package or for the folders named. The exit
code is 0 only if every target holds. Functions, statements and modules grow with what the package can do and have
no target of their own.
"""

from __future__ import annotations

import ast
import statistics
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path("aiida_cse")
#: functions per 1,000 statements of a package of 1,300 functions and 16,500 statements
_MOST_FUNCTIONS = 79
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Module:
    """A module of the package: its dotted name, lines, syntax tree and the modules that it imports."""

    name: str
    path: Path
    lines: int
    tree: ast.Module

    def functions(self) -> list[int]:
        """Return the length in lines of each function and method."""
        return [node.end_lineno - node.lineno + 1 for node in ast.walk(self.tree) if isinstance(node, _FUNCTIONS)]

    def statements(self) -> int:
        """Return the number of statements, docstrings included."""
        return sum(isinstance(node, ast.stmt) for node in ast.walk(self.tree))

    def imports(self, known: set[str]) -> set[str]:
        """Return the known modules that this one imports, also inside functions and for type checkers."""
        found = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        return (found & known) - {self.name}


def read(root: Path) -> dict[str, Module]:
    """Read every module below a folder."""
    modules = {}
    for path in sorted(root.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        parts = path.with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        modules[name] = Module(name, path, text.count("\n"), ast.parse(text))
    return modules


def circles(modules: dict[str, Module]) -> list[list[str]]:
    """Return the groups of modules that import each other (Tarjan, SIAM J. Comput. 1, 146 (1972))."""
    edges = {name: module.imports(set(modules)) for name, module in modules.items()}
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in edges[name]:
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = []
            while not group or group[-1] != name:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for name in modules:
        if name not in index:
            visit(name)
    return found


def lonely_modules(modules: dict[str, Module]) -> list[str]:
    """Return the modules below 60 lines with fewer than two users that are no entry point."""
    users: dict[str, int] = defaultdict(int)
    for module in modules.values():
        for used in module.imports(set(modules)):
            users[used] += 1
    entry_points = Path("pyproject.toml").read_text(encoding="utf-8")
    return [
        f"{module.path} ({module.lines} lines, {users[module.name]} users)"
        for module in modules.values()
        if module.path.name != "__init__.py"
        and module.lines < 60
        and users[module.name] < 2
        and f'"{module.name}:' not in entry_points
    ]


def main(folders: list[str]) -> int:
    """Print the signs; return 1 if a target is missed."""
    modules = read(PACKAGE)
    chosen = {
        name: module
        for name, module in modules.items()
        if not folders or any(module.path.is_relative_to(folder) for folder in folders)
    }
    plain = [module for module in chosen.values() if module.path.name != "__init__.py"]
    sizes = Counter(module.path.parent for module in plain)
    lengths = [length for module in chosen.values() for length in module.functions()]
    lists = {
        "modules below 60 lines with fewer than 2 users": lonely_modules(modules),
        "folders with more than 16 modules": [f"{folder} ({n})" for folder, n in sorted(sizes.items()) if n > 16],
        "files beyond 650 lines": [f"{module.path} ({module.lines})" for module in plain if module.lines > 650],
        "circles of imports": [" <-> ".join(circle) for circle in circles(modules)],
    }
    statements = sum(module.statements() for module in chosen.values())
    share = round(1000 * len(lengths) / statements)
    for name, value in (("functions", len(lengths)), ("statements", statements), ("modules", len(plain))):
        print(f"  {name:48} {value:>8}")
    rows = [
        ("functions per 1,000 statements", share, f"<= {_MOST_FUNCTIONS}", share <= _MOST_FUNCTIONS),
        ("median length of a function, lines", median := statistics.median(lengths), ">= 12", median >= 12),
        *((name, len(items), "0", not items) for name, items in lists.items()),
    ]
    for name, value, target, holds in rows:
        print(f"{'✓' if holds else '✗'} {name:48} {value:>8}   {target}")
    for name, items in lists.items():
        for item in items:
            print(f"  {name}: {item}")
    return int(not all(holds for *_, holds in rows))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
