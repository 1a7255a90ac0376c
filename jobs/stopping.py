"""How a command is stopped: Ctrl-C, and the SIGTERM that a scheduler sends, end it in order; a second one at once."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(KeyboardInterrupt):
    """The command was told to stop. Raised in the main thread, wherever it is."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = 128 + number  # as a shell says it
        self.by = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name


_stopped: Stopped | None = None
_cancels: list[Callable[[], object]] = []


def stop_of(error: BaseException) -> Stopped | None:
    """What stopped the command, if it was stopped; None if it is this error that ends it.

    What a stop interrupts can fail by that: py4j's connection to the JVM, which waited for an answer, is out of step.
    While pyspark starts a session, Ctrl-C is caught by a handler of its own.
    """
    if isinstance(error, Stopped):
        return error
    if _stopped is None and isinstance(error, KeyboardInterrupt):
        return Stopped(signal.SIGINT)
    return _stopped


@contextmanager
def cancelling(cancel: Callable[[], object]) -> Iterator[None]:
    """When the command is told to stop in this block, `cancel` is called from a thread of its own, and not after it.

    The main thread may be in a call that does not return before what it waits for is cancelled.
    """
    _cancels.append(cancel)
    try:
        yield
    finally:
        _cancels.remove(cancel)


@contextmanager
def catching() -> Iterator[None]:
    """Turns the first of these signals into Stopped, and the second into the end of the process."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    global _stopped
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    for number in _SIGNALS:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _stopped = None


def _stop(number: int, frame: Any) -> None:
    global _stopped
    for each in _SIGNALS:
        signal.signal(each, _end)
    _stopped = Stopped(number)
    for cancel in _cancels:
        threading.Thread(target=_quietly, args=(cancel,), daemon=True).start()
    raise _stopped


def _quietly(cancel: Callable[[], object]) -> None:
    with suppress(Exception):  # what is to be cancelled may be gone
        cancel()


def _end(number: int, frame: Any) -> None:
    """Ends the process at once. Spark's Java process and its workers end by themselves when this one has gone."""
    for child in multiprocessing.active_children():
        child.kill()
    os._exit(128 + number)


def command_line(arguments: Sequence[str] | None) -> list[str]:
    """The command as it was given; where it was called as a function, as it would be."""
    if arguments is not None:
        return ["solera", *arguments]
    if "-m" in sys.orig_argv[: -len(sys.argv)]:
        return list(sys.orig_argv)
    program = sys.argv[0]
    name = os.path.basename(program)
    return [name if shutil.which(name) == program else program, *sys.argv[1:]]
