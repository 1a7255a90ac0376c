"""A user's own taggers: declarations in a file that the command line names, and that goes along to the executors.

Only the command line can name such a file. A recipe names columns, never code, so one from a stranger runs nothing.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib.util
import os
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from mixer.errors import BadInput
from taggers import declare, registry
from taggers.declare import COLUMN_TYPES, Tagger, Use

_HOW = "write --taggers MODULE:TAGGER, where MODULE.py lies here, or PATH/MODULE.py:TAGGER"
# What a tagger is tried on before anything is started: nothing, whitespace, words, and text that is not ASCII.
_TRIAL = ("", " \n\t", "One line.\nAnother one, with words.", "日本語 \u202eعرب e\u0301 😀\0")


@dataclass(frozen=True)
class Own:
    """What the command line named: the declarations, and the files that their code is in."""

    taggers: tuple[Tagger, ...] = ()
    files: tuple[str, ...] = ()


def load(references: Sequence[str]) -> Own:
    """The taggers that these "module:tagger" name, tried on a few texts; BadInput where one is none.

    The sha256 of its file is part of what a sidecar is known by, so that a changed file is measured anew.
    """
    taggers: dict[str, Tagger] = {}
    files = []
    for reference in references:
        module, _, name = reference.rpartition(":")
        if not module or not name:
            raise BadInput(f"--taggers {reference}: names no tagger; {_HOW}")
        path = Path(module if module.endswith(".py") else f"{module.replace('.', '/')}.py").absolute()
        tagger = _declared(reference, _imported(reference, path), name)
        if problems := list(_problems(tagger, path.stem)):
            raise BadInput("\n".join(f"--taggers {reference}: {problem}" for problem in problems))
        if tagger.name in taggers:
            raise BadInput(f"--taggers {reference}: {tagger.name} is named twice; leave one out")
        taggers[tagger.name] = dataclasses.replace(tagger, own=hashlib.sha256(path.read_bytes()).hexdigest())
        _try(reference, taggers[tagger.name])
        files.append(str(path))
    return Own(tuple(taggers.values()), tuple(dict.fromkeys(files)))


def _imported(reference: str, path: Path) -> ModuleType:
    if not path.is_file():
        raise BadInput(f"--taggers {reference}: there is no file {path}; {_HOW}")
    if not path.stem.isidentifier():
        raise BadInput(f"--taggers {reference}: {path.stem} is no name that a module can have; rename the file")
    known = sys.modules.get(path.stem)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    if known is not None or _is_another(path):
        raise BadInput(f"--taggers {reference}: there is another module {path.stem}; rename the file")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[path.stem]
        raise BadInput(f"--taggers {reference}: {path} cannot be imported: {type(error).__name__}: {error}") from None
    return module


def _is_another(path: Path) -> bool:
    """Whether Python would find a module of this name in another file, as an executor then would."""
    spec = importlib.util.find_spec(path.stem)
    if spec is None:
        return False
    return spec.origin is None or not os.path.isfile(spec.origin) or Path(spec.origin).read_bytes() != path.read_bytes()


def _declared(reference: str, module: ModuleType, name: str) -> Tagger:
    found = getattr(module, name, None)
    if isinstance(found, Tagger):
        return found
    there = [each for each, value in vars(module).items() if isinstance(value, Tagger)]
    raise BadInput(f"--taggers {reference}: {module.__file__} has no taggers.declare.Tagger called {name}; it has "
                   f"{', '.join(there) or 'none'}")


def _problems(tagger: Tagger, module: str) -> Iterator[str]:
    """What is wrong with a declaration, as tests hold it against the registry's own."""
    if not re.fullmatch("[a-z][a-z0-9_]*", tagger.name):
        yield f"{tagger.name!r} is no name of a tagger; use a-z, 0-9 and _"
    elif tagger.name == "dolma" or registry.find_tagger(tagger.name) is not None:
        yield f"{tagger.name} is the name of one of Solera's taggers; call it something else"
    if tagger.version < 1:
        yield f"its version is {tagger.version}; the first is 1"
    if tagger.run is None or tagger.run.partition(":")[0] != module:
        yield f"its `run` is {tagger.run!r}; write \"{module}:FUNCTION\", a function of the same file"
    names = [column.name for column in tagger.columns]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield f"the column {name} is declared twice"
    for column in tagger.columns:
        if not re.fullmatch(rf"{re.escape(tagger.name)}\.\S+", column.name):
            yield f"the column {column.name} does not begin with `{tagger.name}.`, and all of its columns do"
        if column.type not in COLUMN_TYPES:
            yield f"the column {column.name} is of type {column.type}; the types are {', '.join(COLUMN_TYPES)}"
    if not names and tagger.family is None:
        yield "it declares no columns"
    if tagger.family is not None and tagger.parameters.get(tagger.family.parameter) is None:
        yield f"its family needs a parameter {tagger.family.parameter}, whose default is []"
    if tagger.file is not None and not {tagger.file, declare.SHA256} <= tagger.parameters.keys():
        yield f"it has a file, so its parameters need {tagger.file} and {declare.SHA256}, both None"
    try:
        if declare.from_json(declare.as_json(tagger)) != tagger:
            yield "its parameters do not survive JSON; use text, numbers, true or false, and lists of them"
    except (TypeError, ValueError):
        yield "its parameters are no JSON; use text, numbers, true or false, and lists of them"


def _try(reference: str, tagger: Tagger) -> None:
    """Nothing; BadInput where the tagger breaks its own declaration, or off, on texts that every tagger meets."""
    from taggers.run import ContractError, run
    from taggers.text import TextBatch

    if tagger.needs_file:
        return  # which only a recipe names; its tasks hold it to the same contract
    use = Use(tagger, tagger.parameters)
    try:
        for texts in ([], list(_TRIAL)):
            run([use], TextBatch.of_strings(texts, [""] * len(texts), [b"null"] * len(texts)))
    except ContractError as error:
        raise BadInput(f"--taggers {reference}: {error}") from None
    except Exception as error:
        raise BadInput(f"--taggers {reference}: {tagger.run} fails on a text that may be empty, blank or in any "
                       f"script: {type(error).__name__}: {error}") from None
