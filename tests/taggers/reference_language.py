"""The taggers of languages, as slow and obvious Python."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Values = dict[str, Any]


def language(text: str, parameters: Mapping[str, Any]) -> Values:
    asked = parameters["languages"]
    if not text.strip():
        return dict.fromkeys(["language.top", "language.score", *(f"language.{code}" for code in asked)])
    from taggers.language import _model  # the same model, through fasttext's own predict()

    head = text if parameters["max_chars"] == 0 else text[: parameters["max_chars"]]
    if not head.strip():
        return language(head, parameters)
    labels, scores = _model().predict(head.replace("\n", " ").replace("</s>", " "), k=176)
    found = {label.removeprefix("__label__"): min(1.0, score) for label, score in zip(labels, scores, strict=True)}
    top = max(found, key=lambda code: found[code])
    values = {f"language.{code}": found.get(code, 0.0) for code in asked}
    return {"language.top": top, "language.score": found[top], **values}


REFERENCES = {"language": language}
