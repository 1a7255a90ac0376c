"""docs/taggers.md, from the registry; a test holds the file to it."""

from __future__ import annotations

from taggers.declare import Tagger
from taggers.registry import DOCUMENT, DOLMA_MEASURES, TAGGERS


def markdown() -> str:
    """The whole page."""
    lines = [
        "# Taggers and their columns", "",
        "Generated from the registry by `python -m mixer.tagger_reference > docs/taggers.md`.", "",
        "A recipe names columns; what has to be tagged follows from them. A tagger measures and never judges: the "
        "thresholds are the recipe's. A missing value (null) never passes a rule. Spans are lists of (start, end, "
        "bytes, score), start and end in code points; `solera explain` shows them. Costs are MB of text a second on "
        "one core with the defaults, as `benchmarks/taggers.py` measured them on real web pages (tokenizers, models "
        "and lists small ones of the tests); a set of taggers costs less than their sum, since they share work. Beside "
        "it: [the recipe reference](recipe.md).", "",
        "A tagger that needs a file is given it in the recipe, and may be called what you like: "
        "`taggers: {edu: {use: fasttext@1, model: edu.bin}}` gives the columns `edu.…`. Taggers of your own: "
        "[operations](operations.md#taggers-of-your-own).", "",
    ]
    lines += ["| tagger | columns | MB/s a core | file |", "|---|---|---|---|"]
    for tagger in TAGGERS:
        count = f"{len(tagger.columns)}{' and a family' if tagger.family is not None else ''}"
        cost = "" if tagger.cost is None else f"{tagger.cost:,}"
        file = "" if tagger.file is None else f"`{tagger.file}`" + (", required" if tagger.needs_file else "")
        lines.append(f"| [{tagger.key}](#{tagger.key.replace('@', '')}) | {count} | {cost} | {file} |")
    lines.append("")
    for tagger in TAGGERS:
        lines += [f"## {tagger.key}", "", tagger.doc, ""]
        if tagger.source:
            lines += [f"Source: {tagger.source}", ""]
        if tagger.parameters:
            values = ", ".join(f"`{name}` (default `{value!r}`{_bounds(tagger, name)})"
                               for name, value in tagger.parameters.items())
            lines += [f"Parameters: {values}.", ""]
        lines += ["| column | type | unit | what it is |", "|---|---|---|---|"]
        lines += [f"| `{column.name}` | {column.type} | {column.unit} | {_cell(column.doc)} |"
                  for column in tagger.columns]
        if tagger.family is not None:
            family = tagger.family
            lines.append(f"| `{family.prefix}{family.what}` | {family.type} | {family.unit} | {_cell(family.doc)} |")
            if family.values:
                lines += ["", f"{family.what} is one of: {', '.join(family.values)}."]
        lines.append("")
    lines += ["## Of every document", "",
              "Nothing has to be measured for these, and keep rules alone may name them: so a source can be a slice of "
              "shards that others share.", "",
              "| column | type | unit | what it is |", "|---|---|---|---|"]
    lines += [f"| `{column.name}` | {column.type} | {column.unit} | {_cell(column.doc)} |"
              for column in DOCUMENT.columns]
    lines += ["", "## Imported", "",
              "`dolma.EXPERIMENT.ATTRIBUTE.` and one of these, of what `solera import` read of the dolma toolkit's "
              "[attribute files](formats.md#attribute-files-of-the-dolma-toolkit).", "",
              "| column | type | unit | what it is |", "|---|---|---|---|"]
    lines += [f"| `….{measure}` | {kind} | {unit} | {_cell(doc)} |"
              for measure, (kind, unit, doc) in DOLMA_MEASURES.items()]
    return "\n".join([*lines, ""])


def _bounds(tagger: Tagger, name: str) -> str:
    if name not in tagger.bounds:
        return ""
    least, most = tagger.bounds[name]
    return f", from {least:_} to {most:_}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


if __name__ == "__main__":
    print(markdown(), end="")
