"""Keys of wild URLs, by any steps, are those of the reference."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_dedup import REFERENCES
from test_taggers_equal_reference import WILD
from test_url import DOCUMENT, batch_of

from taggers.declared.dedup import URL_KEY
from taggers.text import TextBatch
from taggers.url_key import FIELDS, PREFIXES, STEPS, run

NAMES = (*sorted(FIELDS), *(prefix + "x" for prefix in PREFIXES), "utm", "q", "", "FBCLID", "x_ga", "gclid2")
QUERIES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(("", "=", "=1", "=a=b", "=%20", "#"))), max_size=5)
PATHS = st.lists(st.sampled_from(("/", "a", "//", "%2F", "é")), max_size=4).map("".join)


@WILD
@given(st.lists(DOCUMENT, max_size=12), st.sets(st.sampled_from(STEPS)))
def test_wild_urls(documents: list[dict[str, Any]], steps: set[str]) -> None:
    assert_equal_reference(documents, steps)


@WILD
@given(st.sampled_from(("x.org", "www.x.org", "www.org", "www.", "WWW.X.ORG.", "www.www.x.org")), PATHS, QUERIES,
       st.sets(st.sampled_from(STEPS)))
def test_paths_and_queries(host: str, path: str, fields: list[tuple[str, str]], steps: set[str]) -> None:
    query = "&".join(name + value for name, value in fields)
    assert_equal_reference([{"id": "1", "metadata": {"url": f"http://{host}/{path}{mark}{query}"}}
                            for mark in ("", "?", "??")], steps)


def test_an_unknown_step_is_refused() -> None:
    with pytest.raises(ValueError, match="normalise has upper; known are query, slash, tracking, www"):
        run(TextBatch.of_strings([]), {**URL_KEY.parameters, "normalise": ["upper"]})


def assert_equal_reference(documents: list[dict[str, Any]], steps: set[str]) -> None:
    parameters = {**URL_KEY.parameters, "normalise": sorted(steps)}
    keys = run(batch_of(documents), parameters)["url_key.key"].to_pylist()
    assert keys == [REFERENCES["url_key"]("", parameters, document)["url_key.key"] for document in documents]
