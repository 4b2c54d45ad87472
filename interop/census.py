"""What published driver packages export, read from their source without importing it.

Prints a JSON list with one entry for each driver class of the packages that are installed beside this Python: the label of its
client, and its exported methods. Importing the packages would need the libraries of their hardware. Python's own rules decide which
definition of a method counts: every class becomes an empty type with the same bases.
"""

import ast
import json
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass
class Module:
    """A source file: its classes, and where its other names come from."""

    name: str
    classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    imports: dict[str, tuple[str, str]] = field(default_factory=dict)


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements of a module, also those under `if` and `try`."""
    for statement in body:
        yield statement
        for name in ("body", "orelse", "handlers", "finalbody"):
            inner = getattr(statement, name, [])
            if isinstance(statement, ast.If | ast.Try):
                for block in inner:
                    yield from statements(block.body if isinstance(block, ast.ExceptHandler) else [block])


def read_module(path: Path, name: str) -> Module:
    module = Module(name)
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for statement in statements(ast.parse(path.read_text()).body):
        if isinstance(statement, ast.ClassDef):
            module.classes[statement.name] = statement
        elif isinstance(statement, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - statement.level + 1] if statement.level else []
            source = ".".join([*parents, *([statement.module] if statement.module else [])])
            for alias in statement.names:
                module.imports[alias.asname or alias.name] = (source, alias.name)
    return module


def is_program(path: Path) -> bool:
    """Whether a file is part of the package's program, and no test or example."""
    names = (*path.parts[:-1], path.stem)
    return not any(name in ("tests", "examples", "conftest") or name.endswith("_test") for name in names)


def read_modules(root: Path) -> dict[str, Module]:
    modules = {}
    for path in sorted(root.glob("jumpstarter*/**/*.py")):
        relative = path.relative_to(root)
        if is_program(relative):
            parts = relative.with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            modules[name] = read_module(path, name)
    return modules


class Classes:
    """The classes of all modules, as empty types that keep their definition."""

    def __init__(self, modules: dict[str, Module]):
        self.modules = modules
        self.types: dict[tuple[str, str], type] = {}

    def find(self, module: str, name: str) -> type | None:
        """The type of a name as a module sees it, or None if no module defines it."""
        known = self.modules.get(module)
        if known is None:
            return None
        if name in known.classes:
            return self.of(module, known.classes[name])
        return self.find(*known.imports[name]) if name in known.imports else None

    def of(self, module: str, node: ast.ClassDef) -> type:
        key = (module, node.name)
        if key not in self.types:
            names = [base.id for base in node.bases if isinstance(base, ast.Name)]
            bases = [base for base in (self.find(module, name) for name in names) if base is not None]
            self.types[key] = type(node.name, tuple(bases), {"node": node, "home": module})
        return self.types[key]


def decorators(function: Function) -> set[str]:
    nodes = [node.func if isinstance(node, ast.Call) else node for node in function.decorator_list]
    return {node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else "" for node in nodes}


def own(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function without those of the functions in it."""
    for child in ast.iter_child_nodes(node):
        if not isinstance(child, Function | ast.Lambda | ast.ClassDef):
            yield child
            yield from own(child)


def is_stub(function: Function) -> bool:
    """Whether all that the function does is to say that the driver does not have it."""
    body = [node for node in function.body if not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))]
    if not body or not isinstance(body[0], ast.Raise):
        return False
    raised = body[0].exc.func if isinstance(body[0].exc, ast.Call) else body[0].exc
    return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"


def lent_names(function: Function) -> set[str]:
    """The parameters that the function opens as a client's resource."""
    return {
        node.args[0].id
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "resource"
        and node.args
        and isinstance(node.args[0], ast.Name)
    }


def describe(function: Function, marks: set[str]) -> dict[str, object]:
    parameters = [*function.args.posonlyargs, *function.args.args][1:]
    required = len(parameters) - len(function.args.defaults)
    lent = lent_names(function)
    yields = any(isinstance(node, ast.Yield | ast.YieldFrom) for node in own(function))
    return {
        "kind": "Stream" if "exportstream" in marks else "StreamingCall" if yields else "Call",
        "stub": is_stub(function),
        "parameters": [
            {"name": parameter.arg, "optional": index >= required, "lent": parameter.arg in lent}
            for index, parameter in enumerate(parameters)
        ],
        "rest": function.args.vararg is not None,
    }


def functions(cls: type) -> dict[str, Function]:
    """The methods of a class, own and inherited."""
    found: dict[str, Function] = {}
    for base in cls.__mro__[:-1]:
        for node in base.__dict__["node"].body:
            if isinstance(node, Function):
                found.setdefault(node.name, node)
    return found


def label(methods: dict[str, Function]) -> str | None:
    """The client's name, if the class says it."""
    returned = [node.value for node in own(methods["client"]) if isinstance(node, ast.Return)] if "client" in methods else []
    values = [node.value for node in returned if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return values[0] if values else None


def census(root: Path) -> list[dict[str, object]]:
    modules = read_modules(root)
    classes = Classes(modules)
    driver = classes.find("jumpstarter.driver", "Driver")
    if driver is None:
        raise SystemExit(f"{root} has no jumpstarter.driver.Driver")
    entries = []
    for module in modules.values():
        if not module.name.startswith("jumpstarter_driver_"):
            continue
        for node in module.classes.values():
            cls = classes.of(module.name, node)
            methods = functions(cls)
            name = label(methods)
            if name is None or not issubclass(cls, driver):
                continue
            exported = {
                method: describe(function, marks)
                for method, function in methods.items()
                if (marks := decorators(function)) & {"export", "exportstream"}
            }
            entries.append({
                "class": f"{module.name}.{node.name}",
                "label": name,
                "methods": exported,
            })
    return entries


if __name__ == "__main__":
    json.dump(census(Path(sysconfig.get_path("purelib"))), sys.stdout)
