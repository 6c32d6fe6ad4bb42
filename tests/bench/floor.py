"""The floor of checksummed uploads: SHA-256 and pwrite over the same data, in one process, without a network.

python -m tests.bench.floor SOURCE TARGET PIECE_SIZE TOTAL    prints the seconds and the CPU seconds that it took

Two pieces are hashed and written in turn, so that memory is as warm as a server's buffer. All is done twice and the
second time counts: pieces of this size take large blocks of memory, which a virtual machine gets from its host first.
"""

import hashlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path


def main() -> None:
    """Hash and write the beginning of the source over and over, until the total has been written."""
    source, target, piece_size, total = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    with source.open("rb") as file:
        pieces = [file.read(piece_size) for _ in range(2)]
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT, 0o600)
    _hash_and_write(pieces, descriptor, total)
    os.ftruncate(descriptor, 0)
    started, cpu = time.monotonic(), time.process_time()
    _hash_and_write(pieces, descriptor, total)
    print(time.monotonic() - started, time.process_time() - cpu)
    os.close(descriptor)


def _hash_and_write(pieces: Sequence[bytes], descriptor: int, total: int) -> None:
    piece_size = len(pieces[0])
    for position in range(0, total, piece_size):
        piece = pieces[position // piece_size % len(pieces)]
        hashlib.sha256(piece).digest()
        os.pwrite(descriptor, piece, position)


if __name__ == "__main__":
    main()
