"""What tasks say on their way, where they run on the driver's machine: datagrams over loopback, that may be lost.

Nothing depends on them: what a task did in the end comes with its end. They are for a step of few long tasks, which
would otherwise show nothing for minutes.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass

from jobs.progress import Counts

_INTERVAL = 0.5  # seconds between two datagrams of a task

Report = Callable[[Counts], None]  # what was done since it was last called


@dataclass(frozen=True)
class Reporter:
    """Where a task sends what it has done: to a port of this machine, or nowhere."""

    port: int = 0
    token: str = ""

    @contextlib.contextmanager
    def of(self, partition: int) -> Iterator[Report]:
        """What a task calls as it goes on."""
        if not self.port:
            yield lambda counts: None
            return
        so_far, sent = Counts(), 0.0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            out.setblocking(False)

            def report(counts: Counts) -> None:
                nonlocal so_far, sent
                so_far += counts
                if time.monotonic() - sent >= _INTERVAL:
                    sent = time.monotonic()
                    with contextlib.suppress(OSError):
                        said = json.dumps([self.token, partition, *astuple(so_far)]).encode()
                        out.sendto(said, ("127.0.0.1", self.port))

            yield report


class Listener:
    """Hears what tasks send. Where it cannot listen, it hears nothing."""

    def __init__(self) -> None:
        self._token = secrets.token_hex(16)
        self._heard: dict[int, Counts] = {}
        self._socket: socket.socket | None = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind(("127.0.0.1", 0))
            self._socket.setblocking(False)
        except OSError:
            self.close()

    def reporter(self) -> Reporter:
        return Reporter(self._socket.getsockname()[1], self._token) if self._socket is not None else Reporter()

    def heard(self) -> dict[int, Counts]:
        """What each task last said of itself, by partition."""
        while self._socket is not None:
            try:
                data = self._socket.recv(4096)
            except OSError:
                break
            with contextlib.suppress(ValueError, TypeError):  # from a stranger
                token, partition, *values = json.loads(data)
                if hmac.compare_digest(str(token).encode(), self._token.encode()):
                    self._heard[int(partition)] = Counts(*map(int, values))
        return self._heard

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None
