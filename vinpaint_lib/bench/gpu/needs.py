"""The packages that the library imports, and what is done on a machine that lacks some and cannot install any.

A missing package gets a stand-in: it can be imported and named in annotations, and whoever calls something of it gets
ModuleNotFoundError. So a package that a section imports but does not use stops nothing.
"""

import importlib.util
import os
import sys
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any

from vinpaint_lib.errors import UserError

# Import name -> name to install it by. Those that only the command line and the notebooks import are not needed here.
PACKAGES = {
    "accelerate": "accelerate",
    "av": "av",
    "cv2": "opencv-python-headless",
    "einops": "einops",
    "jaxtyping": "jaxtyping",
    "numpy": "numpy",
    "PIL": "pillow",
    "psutil": "psutil",
    "safetensors": "safetensors",
    "scipy": "scipy",
    "skimage": "scikit-image",
    "tensorboard": "tensorboard",
    "tqdm": "tqdm",
}


def add_folder(folder: Path) -> None:
    """Import packages from `folder` first, here and in processes that this one starts.

    Raises UserError if it is no folder, or holds wheels that are still packed.
    """
    if not folder.is_dir():
        raise UserError(f"--packages {folder}: no such folder; fill one with `pip install --target {folder} NAME`")
    if any(folder.glob("*.whl")):
        raise UserError(
            f"--packages {folder}: its wheels are packed; `pip install --no-index --no-deps --target DIR "
            f"{folder}/*.whl` unpacks them without a network, and DIR is the folder to give"
        )
    place = str(folder.resolve())
    sys.path.insert(0, place)
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (place, os.environ.get("PYTHONPATH"))))
    importlib.invalidate_caches()


def missing_packages() -> list[str]:
    """Import names of the packages that this machine lacks."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def in_words(missing: Sequence[str], sections: dict[str, tuple[str, ...]]) -> str:
    """One line: what is missing, and which sections cannot run without it. `sections`: name -> packages it needs."""
    if not missing:
        return "no package is missing"
    named = ", ".join(PACKAGES[name] for name in missing)
    stopped = [name for name, needed in sections.items() if set(needed) & set(missing)]
    if not stopped:
        return f"missing: {named}; every section runs without"
    return (
        f"missing: {named}; sections that cannot run: {', '.join(stopped)}; carry the packages with --packages FOLDER"
    )


def stand_in(missing: Sequence[str]) -> None:
    """Let missing packages be imported."""
    sys.meta_path.append(Finder(missing))
    if "tensorboard" in missing:
        # torch looks at the version of tensorboard when its own module is imported
        sys.modules["torch.utils.tensorboard"] = Absent("torch.utils.tensorboard", "tensorboard")


class Absent(ModuleType):
    """A module, or anything in it, that is not installed."""

    def __init__(self, name: str, package: str) -> None:
        super().__init__(name)
        self.__path__: list[str] = []
        self._package = package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return Absent(f"{self.__name__}.{name}", self._package)

    def __getitem__(self, _: Any) -> "Absent":
        return self

    def __or__(self, other: Any) -> "Absent":
        return self

    __ror__ = __or__

    def __call__(self, *_: Any, **__: Any) -> Any:
        raise ModuleNotFoundError(f"{PACKAGES[self._package]} is not installed here, and {self.__name__} is of it")


class Finder(MetaPathFinder, Loader):
    """Finds the missing packages and all that is asked for in them, as `Absent`."""

    def __init__(self, missing: Sequence[str]) -> None:
        self.missing = missing

    def find_spec(self, fullname: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in self.missing:
            return None
        return importlib.util.spec_from_loader(fullname, self, is_package=True)

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return Absent(spec.name, spec.name.partition(".")[0])

    def exec_module(self, module: ModuleType) -> None:
        """There is nothing to run."""
