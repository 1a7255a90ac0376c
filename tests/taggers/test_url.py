"""URLs and lists of them: wild and broken URLs, list files of every form, and what a list is refused for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_url import REFERENCES
from tagger_uses import use_of
from test_taggers_equal_reference import WILD, documents_of

from taggers import url_lists, url_words
from taggers.declare import Tagger, Use, load
from taggers.declared.url import BLOCKLIST, URL, URL_TAGGERS, URL_WORDS
from taggers.run import run
from taggers.text import TextBatch

USES = [use_of(tagger) for tagger in URL_TAGGERS]
PARTS = (
    *("http", "https", "ftp", "mailto", "://", "//", "/", "\\", "@", ":", "80", "443", "8080", "0443", "70000", "٣"),
    *("x.com", "www.", "ck", "a.kobe.jp", "github.io", ".co.uk", "bad.example", "part.example", "whole.example", "A"),
    *("/bad", "/search?q=bad", "8.8.4.4", "256", "[", "]", "::1", "ü", "grün.example", "日本", "%20", "%", "%C3%BC"),
    *("<", ">", "Casino", "bet", "gr%C3%B6%C3%9Fe"),
    *("?", "&", "#", ".", "..", " ", "\t", "-", "_", "\0", "\u3002", "x" * 64),
)
DOCUMENT = st.fixed_dictionaries({
    "id": st.one_of(st.just("1"), st.lists(st.sampled_from(PARTS), max_size=8).map("".join)),
    "metadata": st.one_of(st.none(), st.just({"url": 5}), st.fixed_dictionaries({"url": st.one_of(
        st.lists(st.sampled_from(PARTS), max_size=9).map("".join), st.text(max_size=20))})),
})


@WILD
@given(st.lists(DOCUMENT, max_size=20))
def test_wild_urls(documents: list[dict[str, Any]]) -> None:
    columns = run(USES, batch_of(documents))
    for use in USES:
        for place, document in enumerate(documents):
            expected = REFERENCES[use.tagger.name]("", use.parameters, document)
            assert {name: values[place].as_py() for name, values in columns[use.key].items()} == expected, document


def test_hosts_and_parts_of_real_urls(corpora: Path) -> None:
    documents = [document for document in documents_of(corpora / "web") if document["metadata"].get("url")][::5]
    assert documents
    (columns,) = run([use_of(URL)], batch_of(documents)).values()
    for place, document in enumerate(documents):
        expected = REFERENCES["url"]("", {}, document)
        assert {name: values[place].as_py() for name, values in columns.items()} == expected


def test_a_url_of_a_million_parts_takes_no_square() -> None:
    batch = batch_of([{"id": "1", "metadata": {"url": "http://part.example" + part * 300_000}}
                      for part in ("/a", "?", "%", ".a", "@", ":", "[")])
    assert run(USES, batch)[USES[0].key]["url.path_depth"][0].as_py() == 300_000


def test_the_field_is_a_parameter() -> None:
    use = use_of(URL, field="metadata.source.link")
    batch = batch_of([{"id": "https://id.org", "metadata": {"url": "http://no.com", "source": {"link": "http://a.com"}}},
                      {"id": "https://id.org", "metadata": {"source": None}}])
    assert run([use], batch)[use.key]["url.host"].to_pylist() == ["a.com", "id.org"]


@pytest.mark.parametrize(("metadata", "host"), [
    (b"null", None), (b"[]", None), (b"5", None), (b'{"url": ["http://a.com"]}', None), (b'{"url": null}', None),
    (b'{"url": {"url": "http://a.com"}}', None), (b'{"big": 1e999, "url": "http://a.com"}', "a.com"),
    (b'{"url": "http://\\ud83d\\ude00.com"}', "xn--e28h.com"), (b'{"url": "\\u0000http://a.com"}', "a.com"),
])
def test_metadata_of_any_shape(metadata: bytes, host: str | None) -> None:
    columns = run(USES, TextBatch.of_strings(["text"], ["1"], [metadata]))
    assert columns[USES[0].key]["url.host"].to_pylist() == [host]


def listed(tmp_path: Path, text: str, *urls: str) -> list[tuple[Any, Any]]:
    path = tmp_path / "list.txt"
    path.write_text(text, encoding="utf-8")
    use = Use(BLOCKLIST, {**BLOCKLIST.parameters, "list": str(path)})
    url_lists.read.cache_clear()
    columns = run([use], batch_of([{"id": url, "metadata": None} for url in urls]))[use.key]
    return list(zip(columns["blocklist.domain"].to_pylist(), columns["blocklist.url"].to_pylist(), strict=True))


def test_a_byte_order_mark_windows_newlines_and_capitals(tmp_path: Path) -> None:
    assert listed(tmp_path, "\ufeffBad.Example\r\n\r\nHTTP://X.com/Path\r\n", "http://bad.example", "http://x.com/Path",
                  "http://x.com/path") == [(True, False), (False, True), (False, False)]


def test_a_parent_of_a_listed_domain_is_not_listed(tmp_path: Path) -> None:
    assert listed(tmp_path, "a.b.com\n", "http://b.com", "http://x.a.b.com", "http://xa.b.com") == [
        (False, False), (True, False), (False, False)]


def test_rules_for_parts_of_pages_say_nothing_of_a_page(tmp_path: Path) -> None:
    text = "||a.com^\n||b.com^$third-party\n||c.com/path\nd.com##.banner\n||e.com^$document\n||f.com^\n||g.com^\n"
    urls = [f"http://{name}.com/path" for name in "abcde"]
    assert [domain for domain, _ in listed(tmp_path, text, *urls)] == [True, False, False, False, True]


@pytest.mark.parametrize(("tagger", "module", "text", "message"), [
    (BLOCKLIST, url_lists, "", r"list\.txt: it has no entries; it needs lines such as 0\.0\.0\.0"),
    (BLOCKLIST, url_lists, "# only this\n", "it has no entries"),
    (BLOCKLIST, url_lists, "casino\nbet\n", r"2 of its 2 lines are of no known form \(first line 1: 'casino'\)"),
    (BLOCKLIST, url_lists, "a.com\n\nsome words here\nx##y\n", "2 of its 3 lines .* more than half .*line 3: 'some"),
    (BLOCKLIST, url_lists, "\0\x01\x02binary\0\n", "1 of its 1 lines"),
    (URL_WORDS, url_words, "two words\n", r"1 of its 1 lines .*such as casino"),
])
def test_a_list_that_is_none_is_refused(tmp_path: Path, tagger: Any, module: Any, text: str, message: str) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes(text.encode())
    with pytest.raises(ValueError, match=message):
        module.check({**tagger.parameters, "list": str(path)})


@pytest.mark.parametrize("tagger", [BLOCKLIST, URL_WORDS], ids=lambda tagger: tagger.name)
def test_a_list_of_use_is_not(tagger: Tagger) -> None:
    assert tagger.check is not None
    load(tagger.check)(use_of(tagger).parameters)


def batch_of(documents: list[dict[str, Any]]) -> TextBatch:
    return TextBatch.of_strings(["text"] * len(documents), [document["id"] for document in documents],
                                [json.dumps(document["metadata"]).encode() for document in documents])
