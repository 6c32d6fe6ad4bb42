"""Hooks named by dotted paths."""

import importlib
from collections.abc import Sequence

from longshore.hooks.chain import NAMES


class HookNotFound(Exception):
    """A dotted path leads to nothing that can be a hook; str() says why, in one line."""


def load_hooks(paths: Sequence[str]) -> list[object]:
    """Make one hook of each class, `package.module.Class` or `package.module:Class`. Raises `HookNotFound`."""
    return [_load(path) for path in paths]


def _load(path: str) -> object:
    module_name, _, name = path.replace(":", ".").rpartition(".")
    try:
        made = getattr(importlib.import_module(module_name), name)
        hook: object = made() if callable(made) else made
    except Exception as error:
        reason = " ".join(str(error).split())
        raise HookNotFound(f"the hook {path!r} cannot be made ({type(error).__name__}: {reason})") from error
    if not any(callable(getattr(hook, known, None)) for known in NAMES):
        raise HookNotFound(f"the hook {path!r} has none of the methods {', '.join(NAMES)}")
    return hook
