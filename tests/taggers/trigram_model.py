"""Makes data/trigrams.bin, a model for the tests, where it is run from the project's folder."""

from __future__ import annotations

import io
from pathlib import Path

from taggers import ngram_file, ngram_train
from taggers.text import TextBatch

PATH = Path(__file__).with_name("data") / "trigrams.bin"

TEXTS = (
    "The miller came down to the river in the morning.\nThe river was high, and the mill stood still.\n"
    "\"We shall wait,\" said the miller, \"until the river is low again.\"",
    "In the morning the baker came down to the mill. There was no flour in the mill, and there was no bread.",
    "The town had 312 houses in 1840, and 1,204 houses in 1911.\nThe mill had been there since 1702.",
    "It was a long winter. The baker had no bread, the miller had no flour, and the river was a road of ice.\n\n"
    "In the spring the ice went down the river, and the wheel of the mill began to turn.",
    "\"There is flour again,\" said the miller. \"There is bread again,\" said the baker.\nThe town was glad.",
    "Čtyři mlýny stály u řeky. Die Mühle stand am Fluß. Ο μύλος ήταν στο ποτάμι. 水車小屋は川のそばにあった。",
    "The wheel of the mill is as high as a house. It began to turn in 1702, and it is there to this day.",
    "The baker and the miller came to the river. The baker said that the river was low, and the miller said that the "
    "river was high; and so they went home in the rain.",
)


def make() -> bytes:
    """The file's bytes."""
    settings = ngram_train.Settings(least_word=2, least_bigram=1, least_trigram=2)
    stream = io.BytesIO()
    ngram_file.write(ngram_train.train([TextBatch.of_strings(TEXTS)], settings), stream)
    return stream.getvalue()


if __name__ == "__main__":
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_bytes(make())
