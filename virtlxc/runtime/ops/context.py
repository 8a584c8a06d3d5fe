"""What an operation works on: the process that performs it."""

from __future__ import annotations


class StepError(Exception):
    """One step was refused: errno (0 when no system call is to blame), path and a sentence."""

    def __init__(self, errno: int, path: str = "", text: str = "") -> None:
        super().__init__(errno, path, text)
        self.errno = errno
        self.path = path
        self.text = text


class Context:
    """The state that operations of one process share; a fork copies it.

    ``keys`` names descriptors (all close-on-exec) that later steps use; ``pids`` has the host pids
    of the processes of this start by side name; ``masters`` the console masters by index.
    """

    __slots__ = ("controller_socket", "init_argv0", "keys", "masters", "pids", "plan", "side")

    def __init__(self, side: str) -> None:
        self.side = side
        self.keys: dict[str, int] = {}
        self.pids: dict[str, int] = {}
        self.masters: list[int] = []

    def key(self, name: str) -> int:
        """The descriptor called ``name``; raises StepError when no step made it."""
        fd = self.keys.get(name)
        if fd is None:
            raise StepError(0, name, f"no earlier step made '{name}'")
        return fd
