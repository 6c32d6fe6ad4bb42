"""The floor of checksummed uploads: SHA-256 and pwrite over the same data, in one process, without a network.

python -m tests.bench.floor SOURCE TARGET PIECE_SIZE TOTAL    prints the seconds and the CPU seconds that it took

Two pieces are hashed and written in turn, so that memory is as warm as a server's buffer.
"""

import hashlib
import os
import sys
import time
from pathlib import Path


def main() -> None:
    """Hash and write the beginning of the source over and over, until the total has been written."""
    source, target, piece_size, total = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    with source.open("rb") as file:
        pieces = [file.read(piece_size) for _ in range(2)]
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT, 0o600)
    started, cpu = time.monotonic(), time.process_time()
    for position in range(0, total, piece_size):
        piece = pieces[position // piece_size % 2]
        hashlib.sha256(piece).digest()
        os.pwrite(descriptor, piece, position)
    print(time.monotonic() - started, time.process_time() - cpu)
    os.close(descriptor)


if __name__ == "__main__":
    main()
