"""The taggers of languages, as slow and obvious Python around the libraries' own functions."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from reference_models import fasttext_labels
from reference_text import span

Values = dict[str, Any]


def language(text: str, parameters: Mapping[str, Any]) -> Values:
    asked = parameters["languages"]
    found = _languages(text, parameters)
    if not found:
        return dict.fromkeys(["language.top", "language.score", *(f"language.{code}" for code in asked)])
    top = max(found, key=lambda code: found[code])
    values = {f"language.{code}": found.get(code, 0.0) for code in asked}
    return {"language.top": top, "language.score": found[top], **values}


def language_paragraphs(text: str, parameters: Mapping[str, Any]) -> Values:
    paragraphs = [(match.start(), match[0]) for match in re.finditer(r"[^\n]+", text)]
    found = [(start, line, scores) for start, line in paragraphs if (scores := _languages(line, parameters))]
    chars: dict[str, int] = {}
    for _, line, scores in found:
        top = max(scores, key=lambda code: scores[code])
        chars[top] = chars.get(top, 0) + len(line)
    main = max(chars, key=lambda code: chars[code]) if chars else None
    values: Values = {
        "language_paragraphs.count": len(found),
        "language_paragraphs.main": main,
        "language_paragraphs.main_share": chars[main] / sum(chars.values()) if main is not None else None,
        "language_paragraphs.languages": len(chars),
    }
    for code in parameters["languages"]:
        values[f"language_paragraphs.{code}"] = [
            span(text, start, start + len(line), scores.get(code, 0.0))
            for start, line, scores in found
        ]
    return values


def _languages(text: str, parameters: Mapping[str, Any]) -> dict[str, float]:
    from taggers.language import model_path

    head = text if parameters["max_chars"] == 0 else text[: parameters["max_chars"]]
    return fasttext_labels(head, parameters["model"] or model_path())


def langid(text: str, parameters: Mapping[str, Any]) -> Values:
    asked = parameters["languages"]
    head = text if parameters["max_chars"] == 0 else text[: parameters["max_chars"]]
    found = dict(_langid().rank(head))
    if len(set(found.values())) == 2:  # where it found nothing all are alike, but for languages in two scripts
        return dict.fromkeys(["langid.top", "langid.score", *(f"langid.{code}" for code in asked)])
    top = max(found, key=lambda code: found[code])
    return {"langid.top": top, "langid.score": found[top], **{f"langid.{code}": found[code] for code in asked}}


@functools.cache
def _langid() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


REFERENCES = {"language": language, "language_paragraphs": language_paragraphs, "langid": langid}
