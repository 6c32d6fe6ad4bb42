"""Hooks by dotted path."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from longshore.hooks.loading import HookNotFound, load_hooks

MODULE = """
class One:
    def pre_create(self, event): ...

class Two:
    async def inspect(self, event): ...

class Nothing:
    def pre_creat(self, event): ...

class Off:
    pre_create = None

class Raises:
    def __init__(self):
        raise RuntimeError("two\\nlines")

class Demanding:
    def __init__(self, needed): ...
    def pre_create(self, event): ...

made = Two()
number = 5
"""


@pytest.fixture(autouse=True)
def _module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "hooks_to_load").mkdir()
    (tmp_path / "hooks_to_load" / "__init__.py").write_text("")
    (tmp_path / "hooks_to_load" / "inner.py").write_text(MODULE)
    (tmp_path / "hooks_to_load" / "broken.py").write_text("import nothing_of_that_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.startswith("hooks_to_load")]:
        del sys.modules[name]


def test_one_hook_is_made_of_each_class_in_order() -> None:
    hooks = load_hooks(["hooks_to_load.inner.Two", "hooks_to_load.inner:One", "hooks_to_load.inner.Two"])
    assert [type(hook).__name__ for hook in hooks] == ["Two", "One", "Two"]
    assert hooks[0] is not hooks[2]


def test_an_object_that_is_made_already_is_taken() -> None:
    (hook,) = load_hooks(["hooks_to_load.inner.made"])
    assert type(hook).__name__ == "Two"


def test_no_paths_are_no_hooks() -> None:
    assert load_hooks([]) == []


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("nothing_of_that_name.Hook", "ModuleNotFoundError"),
        ("hooks_to_load.broken.Hook", "ModuleNotFoundError: No module named 'nothing_of_that_name'"),
        ("hooks_to_load.inner.Missing", "AttributeError"),
        ("Hook", "ValueError"),
        ("", "ValueError"),
        (".relative.Hook", "TypeError"),
        ("hooks_to_load.inner.Raises", "RuntimeError: two lines"),
        ("hooks_to_load.inner.Demanding", "TypeError"),
        ("hooks_to_load.inner.Nothing", "has none of the methods pre_create, inspect"),
        ("hooks_to_load.inner.Off", "has none of the methods"),
        ("hooks_to_load.inner.number", "has none of the methods"),
        ("hooks_to_load.inner", "has none of the methods"),
    ],
)
def test_what_cannot_be_a_hook_is_named_in_one_line(path: str, reason: str) -> None:
    with pytest.raises(HookNotFound) as failed:
        load_hooks(["hooks_to_load.inner.One", path])
    message = str(failed.value)
    assert repr(path) in message
    assert reason in message
    assert "\n" not in message
