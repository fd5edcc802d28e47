"""Hands out blocks of network ports, so that attempts at the same time do not meet on one."""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import tempfile
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

FIRST_PORT = 20_000  # below the ports that systems give to clients
PORTS_OF_A_BLOCK = 20
BLOCKS = 500


class PortBlocks:
    """Blocks of ports that no other process of ours on this machine has; thread-safe.

    A block is held until it is given back or this process ends.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken: set[int] = set()
        self._file = _open_shared()

    def reserve(self, ports: Iterable[int]) -> None:
        """Exclude the blocks that begin with these ports: attempts of earlier processes have them.

        A port of 0 is ignored.
        """
        with self._lock:
            self._taken |= {(port - FIRST_PORT) // PORTS_OF_A_BLOCK for port in ports if port}

    def take(self) -> int:
        """Return the first port of a free block; 0 if there is none."""
        with self._lock:
            start = secrets.randbelow(BLOCKS)
            for block in ((start + step) % BLOCKS for step in range(BLOCKS)):
                port = FIRST_PORT + block * PORTS_OF_A_BLOCK
                if block not in self._taken and self._hold(block) and _is_free(port):
                    self._taken.add(block)
                    return port
        return 0

    def give_back(self, port: int) -> None:
        """Free the block that begins with this port. A port of 0 is ignored."""
        block = (port - FIRST_PORT) // PORTS_OF_A_BLOCK
        with self._lock:
            if port and block in self._taken:
                self._taken.remove(block)
                if self._file is not None:
                    fcntl.lockf(self._file, fcntl.LOCK_UN, 1, block)

    def _hold(self, block: int) -> bool:
        """Lock the block's byte of the shared file; the system unlocks it when we end."""
        if self._file is None:
            return True
        try:
            fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, block)
        except OSError:
            return False
        return True


def _open_shared() -> int | None:
    """Open the file whose locks all our processes of this user share; None if that fails."""
    place = Path(tempfile.gettempdir(), f"concertmaster-ports-{os.getuid()}")
    with suppress(OSError):
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
        return os.open(place, flags, 0o600)
    return None


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
