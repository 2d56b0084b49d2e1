"""The rules of the house, read off the imports: which room may use which, and what stands in every system's folder.

CONTRIBUTING shows the rooms. Each rule is a function that takes sources by path and gives its breaches in words. So the
tests below can plant a breach of each kind.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

import pytest

from vinpaint_lib.systems.registry import COMING

ROOT = Path(__file__).parents[1]
LIBRARY = "vinpaint_lib"
# An arrow runs from a line to a line below it: never up, and never between two rooms of one line.
ROWS = (
    ("rerun", "cli", "bench"),
    ("reruns",),
    ("lessons", "data_scripts"),
    ("comparison",),
    ("train", "evaluate", "doctor", "filling"),
    ("systems",),
    ("training", "scoring"),
    ("datasets", "alignment", "losses", "painting"),
    ("toy", "motion", "inpaint", "figures"),
    ("video", "holes", "checkpoints", "options"),
    ("places",),
    ("files", "process_memory"),
    ("interface", "errors"),
)
ROW_OF = {room: number for number, row in enumerate(ROWS) for room in row}
SHARED_BY_SYSTEMS = {"entry", "frames"}  # what a system may import of `systems` besides its folder
IN_EVERY_SYSTEM = {"__init__.py", "model.py", "network.py", "recipe.py", "figures.py"}
NAMELESS = ("training", "scoring", "figures")  # rooms that know no system
LATE = {
    f"{LIBRARY}/comparison/ablations/command.py",
    f"{LIBRARY}/cli.py",
    f"{LIBRARY}/lessons/progress/verb.py",
    f"{LIBRARY}/lessons/verdicts/verb.py",
    f"{LIBRARY}/lessons/manifest.py",
    f"{LIBRARY}/reruns/command.py",
    f"{LIBRARY}/reruns/errand.py",
}  # they import in functions, so that --help, or a scheduler, answers at once
DEFINING = ("systems", "lessons/checks")  # packages whose __init__ may hold more than names that it hands on
LINES, FILES = 300, 14
Sources = dict[str, str]


@cache
def tree() -> Sources:
    """Every Python file of the library and the scripts: path from the root -> text."""
    paths = [path for folder in (LIBRARY, "data_scripts") for path in sorted((ROOT / folder).rglob("*.py"))]
    return {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}


@cache
def parsed(text: str) -> ast.Module:
    """The same text is parsed once, however many rules read it."""
    return ast.parse(text)


def module(path: str) -> str:
    """`vinpaint_lib/toy/clip.py` -> `vinpaint_lib.toy.clip`; a package's `__init__` has the package's name."""
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room(name: str) -> str:
    """The box of the drawing that a module stands in; "" for `vinpaint_lib` itself, which holds the version only."""
    parts = name.split(".")
    if parts[0] != LIBRARY:
        return parts[0]
    return parts[1] if len(parts) > 1 else ""


def system_of(name: str) -> str:
    """The system whose folder a module stands in, or ""."""
    parts = name.split(".")
    inside = parts[:2] == [LIBRARY, "systems"] and len(parts) > 2
    return parts[2] if inside and parts[2] in systems() else ""


@cache
def systems() -> tuple[str, ...]:
    """The folders in `systems/`."""
    return tuple(sorted(path.parent.name for path in (ROOT / LIBRARY / "systems").glob("*/__init__.py")))


def imports(sources: Sources) -> Iterator[tuple[str, str, ast.stmt]]:
    """(file, module of ours that it imports, statement), wherever in the file."""
    known = {module(path) for path in sources}
    for path, text in sources.items():
        for node in ast.walk(parsed(text)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
                full = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [name if name in known else node.module for name in full]
            else:
                continue
            for name in names:
                if name.split(".")[0] in (LIBRARY, "data_scripts"):
                    yield path, name, node


def arrows_up(sources: Sources) -> list[str]:
    """Imports of a room above or beside one's own."""
    found = []
    for path, name, _ in imports(sources):
        here, there = room(module(path)), room(name)
        if there and here != there and here and ROW_OF[here] >= ROW_OF[there]:
            found.append(f"{path} imports {name}: {there} does not stand below {here}")
    return found


def between_systems(sources: Sources) -> list[str]:
    """Imports from one system to another, or from a system to the registry and the baselines above it."""
    found = []
    for path, name, _ in imports(sources):
        here, there = system_of(module(path)), system_of(name)
        rest = name.removeprefix(f"{LIBRARY}.systems.").split(".")[0]
        if here and name.startswith(f"{LIBRARY}.systems") and here != there and rest not in SHARED_BY_SYSTEMS:
            found.append(f"{path} imports {name}: a system knows no other")
    return found


def names_of_systems(sources: Sources) -> list[str]:
    """System names in the code of rooms that must not know them; docstrings and comments may speak of the papers."""
    found = []
    for path, text in sources.items():
        if room(module(path)) not in NAMELESS:
            continue
        code = parsed(text)
        docstrings = {id(node.value) for node in ast.walk(code) if isinstance(node, ast.Expr)}
        for node in ast.walk(code):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
                words = node.value
            elif isinstance(node, ast.Name | ast.Attribute | ast.ImportFrom):
                words = ast.unparse(node)
            else:
                continue
            if any(re.search(rf"(?<![a-z]){system}", words.lower()) for system in systems()):
                found.append(f"{path}:{node.lineno} names a system: {words}")
    return found


def late_imports(sources: Sources) -> list[str]:
    """Imports inside of the library's functions, which can hide a circle."""
    found = []
    for path, text in sources.items():
        if path in LATE or not path.startswith(LIBRARY):
            continue
        for function in ast.walk(parsed(text)):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                inside = [node for node in ast.walk(function) if isinstance(node, ast.Import | ast.ImportFrom)]
                found += [f"{path}:{node.lineno} imports inside of a function" for node in inside]
    return found


def circles(sources: Sources) -> list[str]:
    """Modules that import each other in a ring, however long."""
    arrows: dict[str, set[str]] = {module(path): set() for path in sources}
    for path, name, _ in imports(sources):
        if name != module(path) and name in arrows:
            arrows[module(path)].add(name)
    # What nobody imports, or imports nothing, is in no ring: take it away until nothing changes.
    while True:
        wanted = set().union(*arrows.values())
        ends = {name for name, targets in arrows.items() if not targets or name not in wanted}
        if not ends:
            return [f"{name} stands in a circle of imports" for name in sorted(arrows)]
        arrows = {name: targets - ends for name, targets in arrows.items() if name not in ends}
        if not arrows:
            return []


def uses_of_lessons(sources: Sources) -> list[str]:
    """Imports of `lessons` by anything but what runs notebooks, and the command line."""
    return [
        f"{path} imports {name}: only notebooks, what reruns them and cli.py use the lessons"
        for path, name, _ in imports(sources)
        if room(name) == "lessons" and room(module(path)) not in ("lessons", "rerun", "reruns", "cli")
    ]


def defining_packages(sources: Sources) -> list[str]:
    """Packages whose `__init__` defines something; it says one sentence and hands names on."""
    found = []
    for path, text in sources.items():
        inside = path.removeprefix(f"{LIBRARY}/").removesuffix("/__init__.py")
        if not path.endswith("/__init__.py") or path == f"{LIBRARY}/__init__.py" or inside.startswith(DEFINING):
            continue
        first, *rest = parsed(text).body or [None]
        if not (isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)):
            found.append(f"{path} does not say what the folder holds")
        for node in rest:
            handed = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
            if not handed and not isinstance(node, ast.ImportFrom):
                found.append(f"{path}:{node.lineno} defines something")
    return found


def long_files(sources: Sources) -> list[str]:
    """Files that hold two ideas."""
    counts = {path: len(text.splitlines()) for path, text in sources.items()}
    return [f"{path} has {count} lines" for path, count in counts.items() if count > LINES]


def full_folders(sources: Sources) -> list[str]:
    """Folders of more than about a dozen files; `checks/` has one for each notebook."""
    counts: dict[str, int] = {}
    for path in map(PurePosixPath, sources):
        folder = path.parent.as_posix()
        counts[folder] = counts.get(folder, 0) + (path.name != "__init__.py")
    return [
        f"{folder} has {count} files"
        for folder, count in counts.items()
        if count > FILES and not folder.endswith("/checks")
    ]


RULES = (
    arrows_up,
    between_systems,
    names_of_systems,
    late_imports,
    circles,
    uses_of_lessons,
    defining_packages,
    long_files,
    full_folders,
)


@pytest.mark.parametrize("rule", RULES)
def test_the_house_obeys(rule):
    assert rule(tree()) == []


PLANTED = [
    (arrows_up, "vinpaint_lib/motion/planted.py", "from vinpaint_lib.systems import registry"),
    (arrows_up, "vinpaint_lib/motion/planted.py", "import vinpaint_lib.inpaint"),
    (arrows_up, "vinpaint_lib/interface.py", "from vinpaint_lib.errors import UserError"),
    (between_systems, "vinpaint_lib/systems/vinet/planted.py", "from vinpaint_lib.systems.sttn.model import STTN"),
    (between_systems, "vinpaint_lib/systems/vinet/planted.py", "from vinpaint_lib.systems import sttn"),
    (between_systems, "vinpaint_lib/systems/vinet/planted.py", "from vinpaint_lib.systems.registry import build"),
    (names_of_systems, "vinpaint_lib/scoring/planted.py", 'SHOWN = "vinet-small"'),
    (names_of_systems, "vinpaint_lib/training/planted.py", "def of(task):\n    return task.sttn"),
    (late_imports, "vinpaint_lib/toy/planted.py", "def late():\n    from vinpaint_lib import errors"),
    (circles, "vinpaint_lib/errors.py", "from vinpaint_lib import cli"),
    (uses_of_lessons, "vinpaint_lib/doctor.py", "from vinpaint_lib.lessons import parameters"),
    (defining_packages, "vinpaint_lib/motion/__init__.py", '"""Motion."""\n\ndef warp():\n    pass'),
    (defining_packages, "vinpaint_lib/motion/__init__.py", "from vinpaint_lib.motion import warp"),
    (long_files, "vinpaint_lib/toy/planted.py", "A = 1\n" * (LINES + 1)),
]


@pytest.mark.parametrize(("rule", "path", "text"), PLANTED)
def test_a_planted_breach_is_found(rule, path, text):
    breaches = rule(tree() | {path: text})
    assert any(path in breach or f"{module(path)} " in breach for breach in breaches)


def test_a_planted_crowd_is_found():
    crowd = {f"{LIBRARY}/toy/planted_{number}.py": "" for number in range(FILES + 1)}
    assert full_folders(tree() | crowd)


def test_every_room_has_its_line():
    assert {room(module(path)) for path in tree()} - {""} == set(ROW_OF)


def test_the_root_can_be_taken_in_at_a_glance():
    entries = [path for path in (ROOT / LIBRARY).iterdir() if path.name != "__pycache__"]
    assert sum(path.is_file() and path.suffix == ".py" for path in entries) <= 14
    assert sum(path.is_dir() for path in entries) <= 17


@pytest.mark.parametrize("name", systems())
def test_every_system_has_the_same_files(name):
    there = {path.name for path in (ROOT / LIBRARY / "systems" / name).iterdir()}
    assert there >= IN_EVERY_SYSTEM | (set() if name in COMING else {f"{name}-small.safetensors", f"{name}-small.md"})


def test_the_registry_lists_every_folder():
    names = ast.literal_eval(
        next(
            ast.unparse(node.value)
            for node in ast.parse(tree()[f"{LIBRARY}/systems/registry.py"]).body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "NAMES"
        )
    )
    assert sorted(names) == list(systems())


def test_every_notebook_has_a_check_module_of_its_name():
    notebooks = {path.stem[3:] for path in (ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")}
    modules = {path.stem for path in (ROOT / LIBRARY / "lessons" / "checks").glob("*.py")}
    assert notebooks
    assert notebooks <= modules


def test_tests_stand_where_their_module_stands():
    """`tests/` has the rooms of the library, and a test for a room lies in that room or at the root. Beside them stands
    `faults`, where bad inputs and kills go through whole commands, and so through many rooms, and `browser`, which sees
    lessons as a reader does."""
    folders = {path.parent.relative_to(ROOT / "tests").as_posix() for path in (ROOT / "tests").rglob("test_*.py")} - {
        "."
    }
    rooms = {PurePosixPath(path).parent.relative_to(LIBRARY).as_posix() for path in tree() if path.startswith(LIBRARY)}
    assert folders <= rooms | {"data_scripts", "faults", "browser"}
    assert all((ROOT / "tests" / folder / "__init__.py").exists() for folder in folders)
