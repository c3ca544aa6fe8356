"""What only a checkout has: the folder `tools`, which is no part of the wheel."""

import importlib
from types import ModuleType


def checkout_module(name: str) -> ModuleType | None:
    """The module, or None where the project was installed without it."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise
        return None
