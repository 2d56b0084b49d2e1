"""What a notebook run measured, in a file that a test or a table can read: `metrics.json` in its out_dir."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vinpaint_lib.errors import UserError
from vinpaint_lib.files import draft_of

NAME = "metrics.json"


def write(out_dir: str | Path, values: Mapping[str, Any]) -> Path:
    """Write `values` as `out_dir`/metrics.json and return its path; the folder is made if it is missing.

    Values are text, truth values, numbers (also of numpy, or a tensor of one element), None, and lists and mappings
    of them. A number that is not finite becomes null: JSON has no NaN. The file is written beside its name and renamed.
    Raises UserError if the folder cannot be made, and TypeError naming the key of a value of any other kind.
    """
    plain = {name: to_plain(value, name) for name, value in values.items()}
    path = Path(out_dir) / NAME
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out_dir}: cannot be made ({error.strerror}); give another out_dir") from error
    with draft_of(path) as draft:
        draft.write_text(json.dumps(plain, indent=1, allow_nan=False, ensure_ascii=False) + "\n", encoding="utf-8")
    return path


def read(out_dir: str | Path) -> dict[str, Any]:
    """The values that `write` stored in `out_dir`. Raises UserError if the file is missing."""
    path = Path(out_dir) / NAME
    if not path.is_file():
        raise UserError(f"{path} is missing: the notebook's last cell writes it")
    return json.loads(path.read_text(encoding="utf-8"))


def to_plain(value: Any, name: str) -> Any:
    """The value as JSON's types; a TypeError calls the value `name`."""
    if isinstance(value, Mapping):
        return {str(key): to_plain(part, f"{name}.{key}") for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(part, f"{name}[{index}]") for index, part in enumerate(value)]
    if isinstance(value, Path):
        raise TypeError(f"{name} is a path: record what was measured, not where it lies")
    if hasattr(value, "item") and getattr(value, "size", 0) != 0:
        try:
            value = value.item()  # numpy's numbers and tensors of one element
        except (RuntimeError, ValueError):
            raise TypeError(f"{name} has many values: record one number, or a list of them") from None
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int, str)):
        return value
    raise TypeError(f"{name} is of type {type(value).__name__}: record numbers, text, or lists and mappings of them")
