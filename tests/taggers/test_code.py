"""Code: every language's comments, HTML, licences and secrets on wild texts, and hostile ones in linear time."""

from __future__ import annotations

import json
from typing import Any

import pytest
import reference_code
from hypothesis import given
from hypothesis import strategies as st
from tagger_uses import use_of
from test_taggers_equal_reference import WILD, alike, assert_equal_reference, seconds_of

from taggers.code_languages import _LANGUAGES, SYNTAXES, language_of
from taggers.declare import Use
from taggers.declared.code import CODE, CODE_TAGGERS, LICENSE, SECRETS
from taggers.license import _PHRASES, _SIGNS, _TEXTS
from taggers.run import run
from taggers.text import TextBatch

MARKERS = sorted({marker for syntax in SYNTAXES.values()
                  for marker in (*syntax.line, *(each for pair in syntax.block for each in pair))})
PARTS = (
    *MARKERS,
    *("\"", "'", "`", "\\", '"""', "'''", "\n", "\n", "\r\n", "\u2028", " ", "\t", "a", "r", "é", "日本", "Ⓐ"),
    *("=pod", "\n=cut", "\n=end", "(", ")", "[", "<script", "</script>", "<style>", "</style", ">", "<p>", "&amp;"),
    *("<", "&#x41;", "<?xml version=", "Do Not Edit", "@generated", "\x1c", "\0", "\u200d", "x1_"),
)
PATHS = [f"a.{endings.split()[0]}" for _, _, endings, _ in _LANGUAGES if endings] + ["Makefile", "no", "deps/a.min.js"]
TEXTS = st.one_of(st.lists(st.sampled_from(PARTS), max_size=30).map("".join), st.text(max_size=30))


@WILD
@given(st.lists(st.tuples(st.one_of(st.none(), st.sampled_from(PATHS)), TEXTS), max_size=8))
def test_wild_code(files: list[tuple[str | None, str]]) -> None:
    columns = run([use_of(CODE)], batch_of(files))[use_of(CODE).key]
    for place, (path, text) in enumerate(files):
        for name, value in reference_code.code(text, CODE.parameters, path).items():
            assert alike(columns[name][place].as_py(), value), (name, path, text)


BODY = "MIIEpAIBAAKCAQEA7bq8K2hZ0yqT5c9vWn3rXf4LmJd1uGpQsE6oYiRk8wHtNzCa"
SECRET_PARTS = (
    *("-----", "-----BEGIN ", "RSA PRIVATE KEY", "PRIVATE KEY", "-----END ", "\n", BODY, "AKIA", "Q3EGRXZ7PLMN2KDW"),
    *("ghp_", BODY[:36], "sk-", "sk_live_", "xoxb-12345-abcdef", "password", "Secret_Token", "api_key", "x", "=", ":"),
    *(":=", "=>", "\"", "'", "`", " ", " " * 9, "[", "]", "hunter2Zq9!", "a1b2c3d4", "${x}", "example1", "é", "_", "-"),
    *("SPDX-License-Identifier: ", "MIT", " OR ", "(", ")", "Licensed under the Apache License, ", "Version 2.0 ", "."),
    *("GNU General Public License ", "version 3 ", "or (at your option) any later version ", "Copyright ", "perl"),
)


@WILD
@given(st.lists(st.lists(st.sampled_from(SECRET_PARTS), max_size=25).map("".join), max_size=8))
def test_wild_secrets_and_licences(texts: list[str]) -> None:
    assert_equal_reference([use_of(SECRETS), use_of(LICENSE)], texts)


@pytest.mark.parametrize(("name", "has", "lacks"), _TEXTS)
def test_the_words_of_a_licence_are_known_by_its_signs(name: str, has: tuple[bytes, ...], lacks: Any) -> None:
    assert any(sign in b"".join(has) for sign in _SIGNS)
    text = "/*" + " ".join(part.decode().strip().replace(" ", " *\n") for part in has)
    (columns,) = run([use_of(LICENSE)], TextBatch.of_strings([text])).values()
    assert columns["license.spdx"][0].as_py() is not None
    assert columns["license.header"][0].as_py()


def test_every_phrase_has_a_sign() -> None:
    assert [phrase for phrase in _PHRASES if not any(sign in phrase for sign in _SIGNS)] == []


def test_every_ending_and_name_is_of_one_language() -> None:
    endings = [ending for _, _, each, _ in _LANGUAGES for ending in each.split()]
    names = [name for _, _, _, each in _LANGUAGES for name in each.split()]
    assert sorted({each for each in endings if endings.count(each) > 1}) == []
    assert sorted({each for each in names if names.count(each) > 1}) == []
    assert all(each == each.lower() for each in (*endings, *names))
    assert len({name for name, *_ in _LANGUAGES}) == len(_LANGUAGES) >= 150
    assert language_of("a.tar.py") == "Python"
    assert language_of("py") is None


HOSTILE = ("<", "<!", "<script", "&", "&a", "/*", "//", "\"", "'''", '"""', "=a\n", "  \"\"\"x\"\"\"", "-----BEGIN ",
           "-----BEGIN PRIVATE KEY-----", "password=\"", "=\"", "ghp_", "AKIA", "a1\"", "SPDX-License-Identifier: (",
           "do not ", "\\", "(", "A" * 50 + "=", "\u2028")  # fmt: skip


@pytest.mark.parametrize("path", ["a.html", "a.py", "a.pl", "a.lua"])
def test_time_grows_with_the_text(path: str) -> None:
    uses: list[Use] = [use_of(tagger) for tagger in CODE_TAGGERS]
    for unit in HOSTILE:
        small, large = (seconds_of(uses, unit * (size // len(unit.encode())), path) for size in (20_000, 640_000))
        # 32 times the text; a thousand times the time if it were the square.
        assert large < 100 * small + 0.1, unit


def batch_of(files: list[tuple[str | None, str]]) -> TextBatch:
    return TextBatch.of_strings([text for _, text in files], ["1"] * len(files),
                                [json.dumps({"path": path}).encode() for path, _ in files])
