"""The event log: one JSON object a line, appended as things happen. For reading only: no command uses it."""

from __future__ import annotations

import errno
import fcntl
import importlib.metadata
import json
import os
import platform
import re
import secrets
import shlex
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mixer.corpus import Corpus

# What Spark redacts by default, and credentials inside a URI.
_SECRET = re.compile(r"(?i)secret|password|passwd|token|access[.]?key|credential|sas[._-]?key")
_IN_URI = re.compile(r"(?<=://)[^/@\s]+@|(?<=[?&])[^=&\s]*(?:sig|token|key|credential|secret)[^=&\s]*=[^&\s]*", re.I)


class EventLog:
    """Appends events to a local file; None is nowhere. Where it cannot be written, that is said once and no more."""

    def __init__(self, path: str | None, quiet: bool = False) -> None:
        self.run = secrets.token_hex(6)
        self._path = path
        self._quiet = quiet
        self._file: int | None = None
        self._lock = threading.Lock()

    def write(self, event: str, **about: Any) -> None:
        """One event, with its time in UTC and the id of this run."""
        if self._path is None:
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        said = {"time": now, "run": self.run, "event": event, **about}
        data = json.dumps(said, ensure_ascii=False, default=str).encode(errors="replace") + b"\n"
        with self._lock:
            try:
                if self._file is None:
                    self._file = _open(self._path)
                _append(self._file, data)
            except OSError as error:
                self._give_up(error)

    def close(self) -> None:
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _give_up(self, error: OSError) -> None:
        path, self._path = self._path, None
        if not self._quiet:
            print(f"warning: {path}: events cannot be written here ({error.strerror or error}); the work goes on "
                  "without", file=sys.stderr)


def _open(path: str) -> int:
    os.makedirs(os.path.dirname(os.path.abspath(path)), exist_ok=True)
    return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)


def _append(file: int, data: bytes) -> None:
    """One line in one write, so that it is not torn by another's, and after the end of whatever a full disk cut."""
    with suppress(OSError):  # where files cannot be locked, the write alone has to do
        fcntl.flock(file, fcntl.LOCK_EX)
    try:
        size = os.fstat(file).st_size
        if size and os.pread(file, 1, size - 1) != b"\n":
            data = b"\n" + data
        if os.write(file, data) != len(data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    finally:
        with suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_UN)


def redacted(arguments: Sequence[str]) -> list[str]:
    """A command line without its secrets: values of settings that are named like one, and credentials in URIs."""
    shown = []
    for argument in arguments:
        option, setting = re.match(r"(--[\w-]+=)?(.*)", argument, re.S).groups("")  # type: ignore[union-attr]
        name, sign, _ = setting.partition("=")
        if sign and _SECRET.search(name) and re.fullmatch(r"[\w.-]+", name):
            argument = f"{option}{name}=…"
        shown.append(without_credentials(argument))
    return shown


def without_credentials(text: str) -> str:
    """A text whose URIs name nobody's password, key or signature."""
    return _IN_URI.sub(lambda found: "…@" if found[0].endswith("@") else found[0].partition("=")[0] + "=…", text)


def beginning(command: Sequence[str], master: str | None, corpus: Corpus) -> dict[str, Any]:
    """What the event "started" says of a command and of where it runs."""
    try:
        version = importlib.metadata.version("solera")
    except importlib.metadata.PackageNotFoundError:  # not installed: a checkout, or an archive of one
        version = None
    return {"command": shlex.join(redacted(command)), "version": version, "master": master, "pid": os.getpid(),
            "host": platform.node(), "work": without_credentials(corpus.workspace.folder), "shards": len(corpus.shards),
            "stored": corpus.bytes}
