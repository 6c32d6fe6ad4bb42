"""Files to upload: random bytes, made once and compared by their hash."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Sample:
    """A file of random bytes."""

    path: Path
    size: int
    sha256: str

    def read(self) -> bytes:
        """The bytes."""
        return self.path.read_bytes()


def make_sample(path: Path, size: int) -> Sample:
    """Write a file of random bytes."""
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for start in range(0, size, MEGABYTE):
            piece = os.urandom(min(MEGABYTE, size - start))
            digest.update(piece)
            file.write(piece)
    return Sample(path, size, digest.hexdigest())
