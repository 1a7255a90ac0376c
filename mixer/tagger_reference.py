"""docs/taggers.md, from the registry; a test holds the file to it."""

from __future__ import annotations

from taggers.registry import DOLMA_MEASURES, TAGGERS


def markdown() -> str:
    """The whole page."""
    lines = [
        "# Taggers and their columns", "",
        "Generated from `taggers/registry.py` by `python -m mixer.tagger_reference > docs/taggers.md`.", "",
        "A recipe names columns; what has to be tagged follows from them. A tagger measures and never judges: the "
        "thresholds are the recipe's. A missing value (null) never passes a rule. Recommended reading beside it: "
        "[the recipe reference](recipe.md).", "",
    ]
    for tagger in TAGGERS:
        lines += [f"## {tagger.key}", "", tagger.doc, ""]
        if tagger.parameters:
            values = ", ".join(f"`{name}` (default `{value!r}`)" for name, value in tagger.parameters.items())
            lines += [f"Parameters: {values}.", ""]
        lines += ["| column | type | what it is |", "|---|---|---|"]
        lines += [f"| `{column.name}` | {column.type} | {_cell(column.doc)} |" for column in tagger.columns]
        if tagger.family is not None:
            family = tagger.family
            lines += [f"| `{family.prefix}CODE` | {family.type} | {_cell(family.doc)} |", "",
                      f"CODE is one of: {', '.join(family.values)}."]
        lines.append("")
    lines += ["## Imported", "",
              "`dolma.EXPERIMENT.ATTRIBUTE.` and one of these, of what `solera import` read of the dolma toolkit's "
              "[attribute files](formats.md#attribute-files-of-the-dolma-toolkit).", "",
              "| column | type | what it is |", "|---|---|---|"]
    lines += [f"| `….{measure}` | {kind} | {_cell(doc)} |" for measure, (kind, _, doc) in DOLMA_MEASURES.items()]
    return "\n".join([*lines, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(markdown(), end="")
