"""A disk that takes its time, or fails."""

import threading


class Disk:
    """Stands for `fdatasync`: it ends once `release` was called, or with `problem`."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.synced = 0
        self.problem: OSError | None = None
        self._open = threading.Event()

    def sync(self, file: int) -> None:
        self.asked.set()
        assert self._open.wait(60), "nobody has released the disk"
        if self.problem is not None:
            raise self.problem
        self.synced += 1

    def release(self) -> None:
        """Let it end from now on."""
        self._open.set()
