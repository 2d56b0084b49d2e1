"""The kinds of mechanical change: each takes a function and one node of its body, and yields what it changed.

While a change waits at its `yield`, the tree is changed; afterwards it is put back.
"""

import ast
import re
from collections.abc import Callable, Iterator
from itertools import pairwise

Change = Callable[[ast.FunctionDef, ast.AST], Iterator[str]]
OTHER_CALL = {
    "sum": ["mean"], "mean": ["sum"], "max": ["min"], "min": ["max"], "amax": ["amin"], "softmax": ["sigmoid"],
    "all": ["any"], "any": ["all"], "var": ["std"], "abs": ["square"], "sqrt": ["abs"], "log10": ["log"],
    "nanquantile": ["nanmean"], "stack": ["cat"], "cat": ["stack"], "cos": ["sin"], "floor": ["ceil"],
}  # fmt: skip
DROPPED = ("clamp", "abs", "sqrt", "nan_to_num", "masked_fill", "log", "softmax", "double", "clone", "mean", "mT")
OTHER_OPERATOR = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.FloorDiv: ast.Mod,
    ast.BitAnd: ast.BitOr, ast.MatMult: ast.Mult, ast.Mod: ast.FloorDiv,
}  # fmt: skip
OTHER_COMPARE = {
    ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
}  # fmt: skip
TURNED_COMPARE = {ast.Gt: ast.Lt, ast.Lt: ast.Gt, ast.GtE: ast.LtE, ast.LtE: ast.GtE}


def body_nodes(function: ast.FunctionDef) -> list[ast.AST]:
    """The nodes below a function's docstring."""
    return [node for statement in function.body[1:] for node in ast.walk(statement)]


def arguments(function: ast.FunctionDef, *kinds: str) -> list[str]:
    """Names of arguments whose annotation ends in one of `kinds`."""
    return [a.arg for a in function.args.args if ast.unparse(a.annotation).split(".")[-1] in kinds]


def inserted(*lines: str) -> Change:
    """Lines before the body, for each tensor argument `x`; with `x = ...`, they change what it is."""

    def change(function: ast.FunctionDef, node: ast.AST) -> Iterator[str]:
        if node is function:
            for name in arguments(function, "Tensor", "Tensor | None"):
                for line in lines:
                    text = re.sub(r"\bx\b", name, line)
                    function.body[1:1] = ast.parse(text).body
                    yield text
                    del function.body[1]

    return change


class Put(ast.NodeTransformer):
    """Puts an expression in the place of the name x."""

    def __init__(self, value: ast.expr) -> None:
        self.value = value

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self.value if node.id == "x" else node


def returned(*expressions: str, of: str = "") -> Change:
    """`return (x)` with something done to x; only in functions whose result is annotated as `of`, if it is given."""

    def change(function: ast.FunctionDef, node: ast.AST) -> Iterator[str]:
        kind = ast.unparse(function.returns).split(".")[-1] if function.returns else ""
        if isinstance(node, ast.Return) and node.value is not None and node is function.body[-1] and of in ("", kind):
            value = node.value
            for text in expressions:
                node.value = Put(value).visit(ast.parse(text, mode="eval").body)
                yield f"return {text}"
            node.value = value

    return change


def fixed(function: ast.FunctionDef, node: ast.AST) -> Iterator[str]:
    """Numbers, shapes and lengths stay what they were on the first call: they are copied from the check."""
    if node is function:
        for name in arguments(function, "int", "float"):
            function.body[1:1] = ast.parse(f"{name} = globals().setdefault('first_{name}', {name})").body
            yield f"{name} as at first"
            del function.body[1]
    for field, child in ast.iter_fields(node):
        text = ast.unparse(child) if isinstance(child, ast.expr) else ""
        if re.fullmatch(r"(len\(\w+\)|\w+\.shape(\[[^\]]+\])?|\w+\.numel\(\))", text):
            setattr(node, field, ast.parse(f"globals().setdefault({'first ' + text!r}, {text})", mode="eval").body)
            yield f"{text} as at first"
            setattr(node, field, child)


def constant(function: ast.FunctionDef, node: ast.AST) -> Iterator[str]:
    """Whole numbers off by one, others doubled, True for False, infinity positive."""
    if isinstance(node, ast.Constant):
        value = node.value
        others: list[object] = []
        if isinstance(value, bool):
            others = [not value]
        elif isinstance(value, int):
            others = [value + 1, value - 1]
        elif isinstance(value, float):
            others = [2 * value, 0.0]
        for other in others:
            node.value = other
            yield f"{value} -> {other}"
        node.value = value


def operator(function: ast.FunctionDef, node: ast.AST) -> Iterator[str]:
    """Another operator, or another sign."""
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in OTHER_OPERATOR:
        before, text = node.op, ast.unparse(node)
        node.op = OTHER_OPERATOR[type(before)]()
        yield f"{text} -> {ast.unparse(node)}"
        node.op = before


def term(function: ast.FunctionDef, node: ast.AST) -> Iterator[str]:
    """One side of an operation alone; a sign or a `not` left out."""
    for field, child in ast.iter_fields(node):
        if isinstance(child, ast.BinOp):
            sides = [child.left, child.right]
        elif isinstance(child, ast.BoolOp):
            sides = child.values
        else:
            sides = [child.operand] if isinstance(child, ast.UnaryOp) else []
        for side in sides:
            setattr(node, field, side)
            yield f"{ast.unparse(child)} -> {ast.unparse(side)}"
            setattr(node, field, child)


def compared(function: ast.FunctionDef, node: ast.AST) -> Iterator[str]:
    """< for <=, == for !=, and < for >."""
    if isinstance(node, ast.Compare):
        before, text = node.ops, ast.unparse(node)
        for others in (OTHER_COMPARE, TURNED_COMPARE):
            if type(before[0]) in others:
                node.ops = [others[type(before[0])]()]
                yield f"{text} -> {ast.unparse(node)}"
        node.ops = before


def swapped(function: ast.FunctionDef, node: ast.AST) -> Iterator[str]:
    """The first two arguments of a call, two elements of a tuple or list, or two sides of an operation exchanged."""
    if isinstance(node, (ast.Call, ast.Tuple, ast.List)):
        parts = node.args if isinstance(node, ast.Call) else node.elts
        if len(parts) > 1 and isinstance(getattr(node, "ctx", ast.Load()), ast.Load):
            text = ast.unparse(node)
            parts[0], parts[1] = parts[1], parts[0]
            yield f"{text} -> {ast.unparse(node)}"
            parts[0], parts[1] = parts[1], parts[0]
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Sub, ast.Div, ast.MatMult, ast.Pow)):
        text = ast.unparse(node)
        node.left, node.right = node.right, node.left
        yield f"{text} -> {ast.unparse(node)}"
        node.left, node.right = node.right, node.left
    if node is function:
        names = arguments(function, "Tensor")
        for one, other in pairwise(names):
            function.body[1:1] = ast.parse(f"{one}, {other} = {other}, {one}").body
            yield f"{one}, {other} = {other}, {one}"
            del function.body[1]


def named(function: ast.FunctionDef, node: ast.AST) -> Iterator[str]:
    """Mean for sum, min for max, and the like: in a method, a function, or einops' word."""
    if isinstance(node, (ast.Attribute, ast.Name)):
        field = "attr" if isinstance(node, ast.Attribute) else "id"
        before = getattr(node, field)
        for other in OTHER_CALL.get(before, []):
            setattr(node, field, other)
            yield f"{before} -> {other}"
        setattr(node, field, before)
    elif isinstance(node, ast.Constant) and node.value in ("sum", "mean", "max"):
        before = node.value
        for other in {"sum": ["mean"], "mean": ["sum", "max"], "max": ["mean", "min", "sum"]}[before]:
            node.value = other
            yield f"'{before}' -> '{other}'"
        node.value = before


def call_dropped(function: ast.FunctionDef, node: ast.AST) -> Iterator[str]:
    """`x.clamp(...)` becomes `x`, `f(x)` too for the functions that keep a shape."""
    for field, child in ast.iter_fields(node):
        inside = None
        if isinstance(child, ast.Call) and isinstance(child.func, ast.Attribute) and child.func.attr in DROPPED:
            inside = child.func.value
        elif isinstance(child, ast.Attribute) and child.attr == "mT":
            inside = child.value
        elif isinstance(child, ast.Call) and ast.unparse(child.func) in ("normalize", "int", "float", "list", "tuple"):
            inside = child.args[0]
        if inside is not None:
            setattr(node, field, inside)
            yield f"{ast.unparse(child)} -> {ast.unparse(inside)}"
            setattr(node, field, child)


def axis(function: ast.FunctionDef, node: ast.AST) -> Iterator[str]:
    """Another axis than `dim` says."""
    if isinstance(node, ast.keyword) and node.arg == "dim":
        before = node.value
        value = ast.literal_eval(before)
        for other in (-2, 0) if value == -1 else (value + 1, value - 1):
            node.value = ast.Constant(other)
            yield f"dim={value} -> dim={other}"
        node.value = before


def pattern(function: ast.FunctionDef, node: ast.AST) -> Iterator[str]:
    """einops: two names exchanged in a pair of brackets, or at the ends of the right side; the last one dropped."""
    if not (isinstance(node, ast.Constant) and isinstance(node.value, str) and "->" in node.value):
        return
    before = node.value
    left, right = before.split("->")
    others = [
        before[: m.start()] + f"({m[2]} {m[1]})" + before[m.end() :] for m in re.finditer(r"\((\w+) (\w+)\)", before)
    ]
    others += [before[: m.start()] + f"({m[2]} {m[1]} {m[3]})" + before[m.end() :]
               for m in re.finditer(r"\((\w+) (\w+) (\w+)\)", before)]  # fmt: skip
    parts = re.findall(r"\([^)]*\)|\w+", right)
    if len(parts) > 1:
        others.append(f"{left}-> {' '.join([*parts[:-2], parts[-1], parts[-2]])}")
        others.append(f"{left}-> {' '.join([parts[1], parts[0], *parts[2:]])}")
        others.append(f"{left}-> {' '.join(parts[1:])}")
    for other in others:
        node.value = other
        yield f"{before} => {other}"
    node.value = before


def span(function: ast.FunctionDef, node: ast.AST) -> Iterator[str]:
    """A loop without its first or its last turn, or backwards."""
    if isinstance(node, (ast.For, ast.comprehension)):
        before = node.iter
        for text in ("list({})[:-1]", "list({})[1:]", "list({})[::-1]"):
            node.iter = ast.parse(text.format(ast.unparse(before)), mode="eval").body
            yield f"in {ast.unparse(node.iter)}"
        node.iter = before


def statement_dropped(function: ast.FunctionDef, node: ast.AST) -> Iterator[str]:
    """One statement left out."""
    for field in ("body", "orelse"):
        body = getattr(node, field, None)
        if isinstance(body, list) and len(body) > 1:
            for n in range(1 if node is function else 0, len(body)):
                if not isinstance(body[n], ast.Return):
                    gone = body.pop(n)
                    yield f"without {ast.unparse(gone).splitlines()[0]}"
                    body.insert(n, gone)


ALL: dict[str, Change] = {
    "sum, mean, max": named,
    "wrong axis": axis,
    "pattern": pattern,
    "off by one, or a factor": constant,
    "another operator": operator,
    "a term dropped": term,
    "another comparison": compared,
    "swapped": swapped,
    "a call dropped": call_dropped,
    "a loop cut": span,
    "a statement dropped": statement_dropped,
    "sizes and values copied": fixed,
    "gradient cut": returned("x.detach()", of="Tensor"),
    "gradient rebuilt": returned("x.detach().requires_grad_()", of="Tensor"),
    "argument cut from the gradient": inserted("x = x.detach()"),
    "changes an argument": inserted("x.mul_(2)"),
    "argument turned round": inserted("x = 1 - x", "x = -x"),
    "argument ignored": inserted("x = x * 0", "x = x * 0 + 1"),
    "first sample for all": inserted("x = x[:1].expand_as(x)"),
    "argument rounded": inserted("x = x.round()"),
    "type of numbers": returned("x.half()", "x.double()", "x.long()", "x.bool()", of="Tensor"),
    "an array or a list": returned("x.tolist()", "x.detach().numpy()", of="Tensor"),
    "another kind": returned("[x]", "str(x)", "{0: x}", "lambda: x"),
    "missing batch axis": returned("x[0]", "x[:1]", "x.mean(0)", of="Tensor"),
    "one axis more": returned("x[None]", of="Tensor"),
    "transposed": returned("x.mT", "x.transpose(0, 1)", of="Tensor"),
    "turned round": returned("x.flip(0)", "x.flip(-1)", "x.flip(-2)", of="Tensor"),
    "shifted": returned("x.roll(1, -1)", "x.roll(1, 0)", of="Tensor"),
    "order": returned("x[::-1]", of="list[int]"),
    "sign": returned("-x"),
    "factor": returned("2 * x", "x / 2"),
    "added": returned("x + 1", "x - 1", "x + 0.001", "x + 0.4"),
    "rounded": returned("round(x)", "x.round()", "x.clamp(0, 0.5)"),
    "not finite": returned("x * float('nan')", of="Tensor"),
    "everything the same": returned("x * 0", "x * 0 + 1"),
}
