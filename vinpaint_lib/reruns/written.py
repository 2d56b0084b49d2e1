"""A file of YAML as it was written: text that is read by the notebook's types, and lines for those who mistype.

YAML has types of its own, by which `no` is False and `1e-3` is text. Here a value means what it means after `-p`
(`lessons/words.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from vinpaint_lib.errors import UserError
from vinpaint_lib.lessons.declared import UNKNOWN, Kind
from vinpaint_lib.lessons.words import meant

DEEPEST = 20  # lists in lists; an anchor may even hold itself


@dataclass(frozen=True)
class Written:
    """A part of the file: text, a list of parts, or a mapping of parts (pairs, since a name may stand twice).

    line    where it begins, from 1
    quoted  whether a text stands in quotes, which make text of a number
    """

    content: "str | tuple[Written, ...] | tuple[tuple[str, Written], ...]"
    kind: str
    line: int
    quoted: bool = False

    def items(self) -> tuple["Written", ...]:
        """The items of a list; of anything else, itself alone."""
        return self.content if self.kind == "list" else (self,)  # type: ignore[return-value]

    def pairs(self) -> tuple[tuple[str, "Written"], ...]:
        """The names and values of a mapping; none of anything else."""
        return self.content if self.kind == "mapping" else ()  # type: ignore[return-value]

    def twice(self) -> Iterator[tuple[str, int]]:
        """Names of a mapping that stood before, with their lines."""
        seen = set()
        for name, value in self.pairs():
            if name in seen:
                yield name, value.line
            seen.add(name)


def read(path: Path) -> Written:
    """The file's content. Raises UserError if it cannot be read, and for what is no YAML, with the line."""
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror}): give a grid, as in README.") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is no text in UTF-8: save it as such.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        said = getattr(error, "problem", None) or "it is no YAML"
        raise UserError(f"{path}{where}: {said}; correct it there or on the line before") from error
    if node is None:
        return Written((), "mapping", 1)
    return part(path, node, 0)


def part(path: Path, node: yaml.Node, depth: int) -> Written:
    """What a node of YAML holds."""
    line = node.start_mark.line + 1
    if depth > DEEPEST:
        raise UserError(f"{path}, line {line}: more than {DEEPEST} lists lie in one another; write fewer")
    if isinstance(node, yaml.SequenceNode):
        return Written(tuple(part(path, item, depth + 1) for item in node.value), "list", line)
    if isinstance(node, yaml.MappingNode):
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise UserError(
                    f"{path}, line {key.start_mark.line + 1}: a name must be a word; write one before the :"
                )
        return Written(tuple((key.value, part(path, value, depth + 1)) for key, value in node.value), "mapping", line)
    return Written(node.value, "text", line, node.style is not None)


def value_of(written: Written, name: str, kind: Kind = UNKNOWN) -> Any:
    """The value that parameter `name` of this type takes from what is written. Raises UserError if it takes none."""
    if written.kind == "list":
        if kind.base not in (list, None):
            raise UserError(f"{name} takes no list: give one value")
        return [value_of(item, name, Kind(kind.item)) for item in written.items()]
    if written.kind == "mapping":
        if kind.base not in (dict, None):
            raise UserError(f"{name} takes no mapping: give one value")
        return {key: value_of(value, f"{name}.{key}") for key, value in written.pairs()}
    text = str(written.content)
    if written.quoted and kind.base in (str, None):
        return text
    try:
        return meant(name, text, kind)
    except UserError as error:
        raise UserError(str(error).removeprefix("-p ")) from error
