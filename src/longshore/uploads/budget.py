"""The memory that all bodies together may fill with bytes on their way to the store."""


class Budget:
    """So many bytes, which bodies take and give back. Belongs to one event loop.

    A body that gets none goes on with small pieces: slower, but never at a standstill.
    """

    def __init__(self, size: int) -> None:
        self._free = size

    def take(self, size: int) -> bool:
        """Take bytes, if there are that many."""
        if size > self._free:
            return False
        self._free -= size
        return True

    def give_back(self, size: int) -> None:
        """Give back what was taken."""
        self._free += size
