"""Any sequence of calls leaves in a store what it leaves in a dictionary of bytes."""

import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest
from anyio.from_thread import start_blocking_portal
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from longshore.ports import Store, Writer
from longshore.stores.disk import DiskStore
from longshore.stores.memory import MemoryStore

IDS = ["a" * 16, "a" * 17, "aab-_0123456789ABC", "zz-0123456789abcdef"]

upload_ids = st.sampled_from(IDS)
contents = st.binary(max_size=40) | st.integers(0, 5000).map(lambda size: b"\xa5" * size)
offsets = st.integers(0, 60)


class StoreMachine(RuleBasedStateMachine):
    """Drives a store and the model side by side. One writer at a time is open for an upload, as locks see to."""

    @staticmethod
    def make(directory: Path) -> Store:
        raise NotImplementedError

    def __init__(self) -> None:
        super().__init__()
        self.exits = ExitStack()
        self.portal = self.exits.enter_context(start_blocking_portal("asyncio"))
        self.store = self.make(Path(self.exits.enter_context(tempfile.TemporaryDirectory())))
        self.model: dict[str, bytes] = {}
        self.writers: dict[str, Writer] = {}

    def teardown(self) -> None:
        for upload_id in list(self.writers):
            self.close(upload_id)
        self.exits.close()

    @rule(upload_id=upload_ids, offset=offsets | st.just(0))
    def append(self, upload_id: str, offset: int) -> None:
        self.close(upload_id)
        held = self.model.get(upload_id, b"")
        if offset > len(held):
            with pytest.raises(ValueError, match="fewer than"):
                self.portal.call(self.store.append, upload_id, offset)
        else:
            self.writers[upload_id] = self.portal.call(self.store.append, upload_id, offset)
            self.model[upload_id] = held[:offset]

    @rule(upload_id=upload_ids, content=contents, sync=st.booleans())
    def write(self, upload_id: str, content: bytes, sync: bool) -> None:
        if writer := self.writers.get(upload_id):
            writer.write(memoryview(content))
            self.model[upload_id] += content
            if sync:
                writer.sync()

    @rule(upload_id=upload_ids)
    def close(self, upload_id: str) -> None:
        if writer := self.writers.pop(upload_id, None):
            writer.close()

    @rule(upload_id=upload_ids, part_ids=st.lists(upload_ids, max_size=4), durable=st.booleans())
    def concatenate(self, upload_id: str, part_ids: Sequence[str], durable: bool) -> None:
        self.close(upload_id)
        part_ids = [part_id for part_id in part_ids if part_id != upload_id]
        whole = b"".join(self.model.get(part_id, b"") for part_id in part_ids)
        parts = [(part_id, len(self.model.get(part_id, b""))) for part_id in part_ids]

        async def concatenate() -> int:
            return await self.store.concatenate(upload_id, parts, durable=durable)

        assert self.portal.call(concatenate) == len(whole)
        self.model[upload_id] = whole

    @rule(upload_id=upload_ids)
    def remove(self, upload_id: str) -> None:
        self.close(upload_id)
        self.portal.call(self.store.remove, upload_id)
        self.model.pop(upload_id, None)

    @rule(upload_id=upload_ids, start=offsets, size=offsets)
    def read(self, upload_id: str, start: int, size: int) -> None:
        held = self.model.get(upload_id, b"")
        if start + size > len(held):
            with pytest.raises(EOFError):
                self.portal.call(self.collect, upload_id, start, start + size)
        else:
            assert self.portal.call(self.collect, upload_id, start, start + size) == held[start : start + size]

    @invariant()
    def holds_what_the_model_holds(self) -> None:
        assert sorted(self.portal.call(self.store.ids)) == sorted(self.model)
        for upload_id in IDS:
            held = self.model.get(upload_id, b"")
            assert self.portal.call(self.store.size, upload_id) == len(held)
            assert self.portal.call(self.collect, upload_id, 0, len(held)) == held

    async def collect(self, upload_id: str, start: int, end: int) -> bytes:
        return b"".join([piece async for piece in self.store.read(upload_id, start, end)])


class MemoryStoreMachine(StoreMachine):
    """The memory store beside the model."""

    @staticmethod
    def make(_: Path) -> Store:
        return MemoryStore()


class DiskStoreMachine(StoreMachine):
    """The disk store beside the model."""

    @staticmethod
    def make(directory: Path) -> Store:
        return DiskStore(directory, fsync="never")


@pytest.mark.parametrize("machine", [MemoryStoreMachine, DiskStoreMachine])
def test_behaves_like_a_dictionary(machine: type[StoreMachine]) -> None:
    run_state_machine_as_test(machine, settings=settings(max_examples=40, stateful_step_count=30, deadline=None))
