"""What a reader's notebook holds for the exercises of a lesson: the function, and what it needs to run.

Cells may be deleted, doubled or broken. A function is found by its name, in whatever cell it stands. Of a notebook only
three things are run: imports, the function, and the statements that define a name which the function uses (a helper, a
constant), and what these use in turn. So an exercise can be judged without the minutes that a lesson takes.
"""

import ast
import re
import symtable
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from nbformat import NotebookNode

from vinpaint_lib.lessons.assignments import Exercise
from vinpaint_lib.lessons.declared import parsed

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Answer:
    """A reader's answer to one exercise.

    name      the check's
    function  the name that the exercise gives the function
    points    what a right answer is worth
    program   statements that define the function, what it needs first; empty if there is nothing to run
    said      why there is nothing to run, in one sentence; else ""
    """

    name: str
    function: str
    points: int
    program: tuple[str, ...] = ()
    said: str = ""


@dataclass
class Code:
    """The code cells of a notebook: statements at their top level, and the cells that are no Python, each with its
    error."""

    statements: list[ast.stmt] = field(default_factory=list)
    broken: list[tuple[str, SyntaxError]] = field(default_factory=list)


def code_of(notebook: NotebookNode) -> Code:
    """The statements of all code cells in their order; lines for IPython (`%time`) are left out."""
    found = Code()
    for cell in notebook.cells:
        if cell.cell_type == "code":
            try:
                found.statements += parsed(cell.source).body
            except SyntaxError as error:
                found.broken.append((cell.source, error))
            except (ValueError, RecursionError, MemoryError) as error:  # null bytes, a thousand brackets
                found.broken.append((cell.source, SyntaxError(str(error) or type(error).__name__)))
    return found


def function_of(exercise: Exercise) -> str:
    """The name of the function that an exercise asks for."""
    return next(node.name for node in ast.parse(exercise.stub.source).body if isinstance(node, ast.FunctionDef))


def points_of(exercise: Exercise) -> int:
    """What a right answer is worth."""
    return int(exercise.check.metadata.nbgrader["points"])


def answer(exercise: Exercise, code: Code) -> Answer:
    """What the reader's code holds for the exercise. Of several definitions of the function the last that was worked
    on counts: a doubled cell may have left an empty one behind it."""
    function = function_of(exercise)
    asked = (exercise.name, function, points_of(exercise))
    written = [each for each in code.statements if function in bound(each) and not is_stub(each)]
    if written:
        return Answer(*asked, program=tuple(ast.unparse(each) for each in with_needs(written[-1], code.statements)))
    head = re.compile(rf"^[ \t]*(async[ \t]+)?def[ \t]+{function}\b", re.MULTILINE)
    for source, error in reversed(code.broken):
        if head.search(source):
            where = f"line {error.lineno} of its cell" if error.lineno else "its cell"
            return Answer(*asked, said=f"{where} is no Python ({error.msg}): correct it.")
    if any(function in bound(each) for each in code.statements):
        return Answer(*asked, said="not written yet: put your lines in the place of `raise NotImplementedError`.")
    return Answer(*asked, said=f"no cell defines {function}: was it deleted? Copy its cell from the lesson.")


def is_stub(statement: ast.stmt) -> bool:
    """Whether a function is still empty: nothing but a docstring and `raise NotImplementedError`, `pass` or `...`."""
    if not isinstance(statement, Function):
        return False
    rest = [
        each for each in statement.body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
    ]
    empty = ("raise NotImplementedError", "raise NotImplementedError()", "pass")
    return all(ast.unparse(each) in empty for each in rest)


def imports_of(code: Code) -> list[str]:
    """Every import at the top level, each alone: one that fails leaves the others."""
    return [ast.unparse(each) for each in code.statements if isinstance(each, ast.Import | ast.ImportFrom)]


def with_needs(statement: ast.stmt, statements: Sequence[ast.stmt]) -> list[ast.stmt]:
    """The statement, behind all that define what it uses; of several definitions of a name the last one counts."""
    defined: dict[str, ast.stmt] = {}
    for each in statements:
        if isinstance(each, ast.Import | ast.ImportFrom):  # those run before everything else
            for name in bound(each):
                defined.pop(name, None)
        else:
            defined |= dict.fromkeys(bound(each), each)
    order: list[ast.stmt] = []
    seen: set[int] = set()

    def visit(node: ast.stmt) -> None:
        seen.add(id(node))
        for name in sorted(used(node) - bound(node)):
            need = defined.get(name)
            if need is not None and id(need) not in seen:
                visit(need)
        order.append(node)

    visit(statement)
    return order


def bound(statement: ast.stmt) -> set[str]:
    """The names that a statement at the top level defines."""
    if isinstance(statement, ast.ClassDef | Function):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {(alias.asname or alias.name).split(".")[0] for alias in statement.names}
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def used(statement: ast.stmt) -> set[str]:
    """The names that a statement takes from outside: not what is local to a function or a comprehension."""
    try:
        table = symtable.symtable(ast.unparse(statement), "cell", "exec")
    except (SyntaxError, ValueError, RecursionError):
        return set()
    top = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    return top | {name for child in table.get_children() for name in from_outside(child)}


def from_outside(table: symtable.SymbolTable) -> Iterator[str]:
    """The global names of a function's table and of those inside of it."""
    yield from (symbol.get_name() for symbol in table.get_symbols() if symbol.is_global())
    for child in table.get_children():
        yield from from_outside(child)
