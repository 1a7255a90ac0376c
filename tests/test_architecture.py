"""Who may import whom: read from the source, and where it matters for speed, from what a process has loaded."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).absolute().parent.parent
OURS = {"taggers", "mixer", "jobs", "recipes"}
# The declarations, and the registry of them, which import neither numba nor pyarrow.
DECLARED = {"taggers.declare", "taggers.registry"}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it; `from a import b` gives a.b where that is a module of ours."""
    found = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = path.relative_to(ROOT).parts[: -node.level]
                base = ".".join([*parts, base]).rstrip(".")
            inside = ROOT.joinpath(*base.split("."))
            submodules = {f"{base}.{name.name}" for name in node.names if (inside / f"{name.name}.py").exists()}
            found |= submodules or {base}
    return found


def of_package(names: set[str], package: str) -> set[str]:
    return {name for name in names if name.split(".")[0] == package}


@pytest.mark.parametrize("package", sorted(OURS))
def test_there_is_something_to_look_at(package: str) -> None:
    assert modules(package)


@pytest.mark.parametrize("path", modules("taggers"), ids=str)
def test_taggers_import_nothing_of_ours(path: Path) -> None:
    for package in OURS - {"taggers"}:
        assert of_package(imports(path), package) == set()


@pytest.mark.parametrize("path", modules("mixer"), ids=str)
def test_mixer_imports_of_taggers_only_what_they_declare(path: Path) -> None:
    found = imports(path)
    assert of_package(found, "taggers") <= DECLARED
    assert of_package(found, "jobs") == set()


@pytest.mark.parametrize("path", [path for package in sorted(OURS - {"jobs"}) for path in modules(package)], ids=str)
def test_only_jobs_import_spark(path: Path) -> None:
    assert of_package(imports(path), "pyspark") | of_package(imports(path), "py4j") == set()


def test_jobs_import_spark() -> None:
    """Or else the test above would look for something that has another name."""
    assert any(of_package(imports(path), "pyspark") for path in modules("jobs"))


def test_all_ways_to_import_are_seen(tmp_path: Path) -> None:
    path = ROOT / "mixer" / "none.py"

    class Source(type(path)):  # type: ignore[misc]
        def read_bytes(self) -> bytes:
            return b"def f():\n import jobs.cli as c\n from mixer import plan, audit\n from . import draw\n" \
                   b" from taggers.text import TextBatch\n from .weights import allocate\n" \
                   b"if 1:\n from taggers import run"

    assert imports(Source(path)) == {"jobs.cli", "mixer.plan", "mixer.audit", "mixer.draw", "taggers.text",
                                     "mixer.weights", "taggers.run"}


@pytest.mark.parametrize(("module", "absent"), [
    ("mixer.recipe", {"numba", "pyarrow", "numpy", "pyspark", "fasttext"}),
    ("taggers.registry", {"numba", "pyarrow", "numpy", "pyspark", "fasttext"}),
    ("jobs.cli", {"numba", "pyarrow", "numpy", "pyspark", "fasttext"}),
    ("mixer.audit", {"numba", "pyspark", "fasttext"}),
    ("mixer.plan", {"numba", "pyspark", "fasttext"}),
    ("jobs.plan", {"numba", "pyspark", "fasttext"}),
    ("jobs.spark", {"numba", "pyspark", "pyarrow", "fasttext"}),
])
def test_an_import_does_not_pull_in_what_is_slow(module: str, absent: set[str]) -> None:
    code = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert set(loaded.split()) & absent == set()
    assert module.split(".")[0] in loaded.split()


def test_parquet_is_never_read_by_arrows_own_threads() -> None:
    """read_table leaves threads that may hold a Python file when the interpreter ends, which then aborts."""
    for path in [*(ROOT / "mixer").rglob("*.py"), *(ROOT / "jobs").rglob("*.py")]:
        assert "read_table(" not in path.read_text(encoding="utf-8"), f"{path}: use sidecars.table_of"
