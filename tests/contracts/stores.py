"""Putting bytes into stores and getting them out, for their tests."""

from longshore.ports import Store

ONE, TWO, FINAL = "one-0123456789abcdef", "two-0123456789abcdef", "fin-0123456789abcdef"


async def put(store: Store, upload_id: str, *pieces: bytes, offset: int = 0) -> None:
    """Append the pieces at offset."""
    writer = await store.append(upload_id, offset)
    try:
        for piece in pieces:
            writer.write(memoryview(piece))
    finally:
        writer.close()


async def get(store: Store, upload_id: str, start: int = 0, end: int | None = None) -> bytes:
    """The bytes from start to end, or to where the upload ends."""
    end = await store.size(upload_id) if end is None else end
    return b"".join([piece async for piece in store.read(upload_id, start, end)])


async def sized(store: Store, *upload_ids: str) -> list[tuple[str, int]]:
    """The uploads, whole, as the parts of a concatenation."""
    return [(upload_id, await store.size(upload_id)) for upload_id in upload_ids]
