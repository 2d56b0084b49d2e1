"""What a notebook says of its parameters: their names, their types, and the values that they have by default.

The cell tagged `parameters` is read as Python, and is not run. The type comes from the parameter's
annotation (`seed: int = 0`), else from its rule in `parameters.check`, else from its value, where that is a literal.
"""

import ast
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from numbers import Number
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode

from vinpaint_lib.errors import UserError

RULES = {"whole": int, "number": Number, "flag": bool, "text": str, "size": str, "path": str, "folder": str}
PLAIN: dict[str, type] = {"int": int, "float": float, "bool": bool, "str": str, "Path": str, "dict": dict, "Dict": dict}
CHECK = "parameters.check("  # the cell in which a notebook refuses values
LISTS = ("list", "List", "tuple", "Tuple", "Sequence", "Iterable", "set", "Set")
MAGIC = re.compile(r"^[ \t]*[%!?].*$", re.MULTILINE)  # a line for IPython, which is no Python


@dataclass(frozen=True)
class Kind:
    """The type of a parameter.

    base      int, float, Number (either of them), bool, str, list or dict; None where the notebook does not say
    item      the type of a list's items; None where the notebook does not say
    optional  whether None is a value too
    """

    base: type | None = None
    item: type | None = None
    optional: bool = False


UNKNOWN = Kind()


@dataclass(frozen=True)
class Parameter:
    """One parameter: its type, and its default as Python source."""

    kind: Kind
    source: str

    @property
    def default(self) -> Any:
        """The default's value, where it is a literal that JSON can hold; else its source, such as "math.pi"."""
        value = literal(self.source)
        return value if is_plain(value) else self.source


def read(notebook: Path) -> NotebookNode:
    """The notebook in nbformat 4. Raises UserError if there is none, or no whole one."""
    if not notebook.is_file():
        raise UserError(
            f"{notebook} is not a file: give the path of a notebook, or run this from the project's folder."
        )
    try:
        found = nbformat.read(notebook, as_version=4)
        nbformat.validate(found)
    except OSError as error:
        raise UserError(f"{notebook} cannot be read ({error.strerror}): look at its rights.") from error
    except Exception as error:  # nbformat raises a dozen kinds for what is no notebook
        raise UserError(
            f"{notebook} is no notebook, or only a part of one ({type(error).__name__}): save it again in Jupyter, "
            "or take a stored copy."
        ) from error
    return found


def parameters_of(notebook: Path) -> dict[str, Parameter]:
    """The parameters by name, in their order; empty without a cell of that tag. Raises UserError like `read`, and for
    a parameters cell that is no Python."""
    cells = [cell for cell in read(notebook).cells if cell.cell_type == "code"]
    tagged = [cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])]
    try:
        statements = [each for source in tagged[:1] for each in parsed(source).body]
    except SyntaxError as error:
        line = "a line" if error.lineno is None else f"line {error.lineno}"
        raise UserError(f"{notebook}: {line} of its parameters cell is no Python: correct it.") from error
    rules = {name: kind for cell in cells for name, kind in rules_in(cell.source)}
    found = {}
    for name, annotation, value in assigned(statements):
        source = ast.unparse(value)
        said = [annotated(annotation), rules.get(name, UNKNOWN), kind_of(literal(source))]
        kind = next((each for each in said if each.base), UNKNOWN)
        item = next((each.item for each in said if each.item), None) if kind.base is list else None
        optional = said[0].optional or literal(source) is None
        found[name] = Parameter(Kind(kind.base, item, optional), source)
    return found


def parsed(source: str) -> ast.Module:
    """A cell as Python, without its lines for IPython. Raises SyntaxError, with the line of the cell."""
    try:
        return ast.parse(source)  # a line of Python may begin with % too
    except SyntaxError:
        return ast.parse(MAGIC.sub("", source))


def assigned(statements: list[ast.stmt]) -> Iterator[tuple[str, ast.expr | None, ast.expr]]:
    """(name, annotation, value) of each assignment to a name, or to a row of names."""
    for each in statements:
        if isinstance(each, ast.AnnAssign) and isinstance(each.target, ast.Name) and each.value is not None:
            yield each.target.id, each.annotation, each.value
        elif isinstance(each, ast.Assign):
            for target in each.targets:
                if isinstance(target, ast.Name):
                    yield target.id, None, each.value
                elif isinstance(target, ast.Tuple) and isinstance(each.value, ast.Tuple):
                    pairs = zip(target.elts, each.value.elts)
                    yield from ((name.id, None, value) for name, value in pairs if isinstance(name, ast.Name))


def rules_in(source: str) -> Iterator[tuple[str, Kind]]:
    """(name, type) of each rule of `parameters.check` in a cell; None as type where a rule takes several."""
    if CHECK not in source:
        return
    try:
        tree = parsed(source)
    except SyntaxError:
        return
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and ast.unparse(call.func) == "parameters.check":
            for rule in call.keywords:
                if rule.arg and isinstance(rule.value, ast.Call):
                    yield rule.arg, allowed(rule.value)


def allowed(rule: ast.Call) -> Kind:
    """The type that a rule takes, as in `parameters.whole(0)` or `parameters.one_of("a", "b")`."""
    name = ast.unparse(rule.func).rpartition(".")[2]
    if name != "one_of":
        return Kind(RULES.get(name))
    values = [literal(ast.unparse(value)) for value in rule.args]
    kinds = {kind_of(value).base for value in values}
    return Kind(kinds.pop()) if len(kinds) == 1 else UNKNOWN


def annotated(node: ast.expr | None) -> Kind:
    """The type that an annotation says: `int`, `list[float]`, `str | None`, `Optional[int]`, "int"."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        try:
            return annotated(ast.parse(node.value, mode="eval").body)
        except SyntaxError:
            return UNKNOWN
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        return united([node.left, node.right])
    if isinstance(node, ast.Subscript):
        name = ast.unparse(node.value).rpartition(".")[2]
        inner = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        if name in ("Optional", "Union"):
            found = united(inner)
            return Kind(found.base, found.item, found.optional or name == "Optional")
        return Kind(list, annotated(inner[0]).base) if name in LISTS else Kind(PLAIN.get(name))
    name = "" if node is None else ast.unparse(node).rpartition(".")[2]
    return Kind(list) if name in LISTS else Kind(PLAIN.get(name), optional=name == "None")


def united(nodes: list[ast.expr]) -> Kind:
    """The type of several: int and float are Number; others that differ are not known."""
    kinds = [annotated(node) for node in nodes]
    bases: set[Any] = {kind.base for kind in kinds if kind.base} or {None}
    base: Any = Number if bases == {int, float} else bases.pop() if len(bases) == 1 else None
    item = next((kind.item for kind in kinds if kind.item), None)
    return Kind(base, item, any(kind.optional for kind in kinds))


def kind_of(value: Any) -> Kind:
    """The type of a default. None and `...` say nothing, and a whole number may become any number."""
    if isinstance(value, list | tuple):
        kinds = {kind_of(item).base for item in value}
        return Kind(list, Number if kinds == {Number, float} else kinds.pop() if len(kinds) == 1 else None)
    return Kind(Number if type(value) is int else type(value) if type(value) in PLAIN.values() else None)


def literal(source: str) -> Any:
    """The value of a literal; `...` for what would have to be computed."""
    try:
        return ast.literal_eval(source)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return ...


def is_plain(value: Any) -> bool:
    """Whether JSON can hold it: text in UTF-8, finite numbers, True, False, None, lists and dicts."""
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_plain(each) for key, each in value.items())
    if isinstance(value, str):
        return not any("\ud800" <= letter <= "\udfff" for letter in value)
    return value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))
