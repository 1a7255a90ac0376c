from pathlib import Path

from mixer import tagger_reference


def test_the_tagger_reference_is_what_the_registry_says():
    page = Path(__file__).parents[2] / "docs" / "taggers.md"
    assert page.read_text(encoding="utf-8") == tagger_reference.markdown(), \
        "write it again: python -m mixer.tagger_reference > docs/taggers.md"
