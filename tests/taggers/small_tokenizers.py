"""Small tokenizers of all kinds, trained on this project's own documents. Run it to write data/tokenizer.json anew."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

ROOT = Path(__file__).absolute().parents[2]


def trained(model: Any, trainer: Any, normalizer: Any = None, pre_tokenizer: Any = None) -> Tokenizer:
    tokenizer = Tokenizer(model)
    if normalizer is not None:
        tokenizer.normalizer = normalizer
    if pre_tokenizer is not None:
        tokenizer.pre_tokenizer = pre_tokenizer
    paragraphs = (ROOT / "docs" / "formats.md").read_text(encoding="utf-8").split("\n\n")
    tokenizer.train_from_iterator(paragraphs, trainer)
    return tokenizer


def bytes_bpe(size: int = 400) -> Tokenizer:
    """Like GPT-2's, with a token at each end of a text where they are asked for."""
    trainer = trainers.BpeTrainer(vocab_size=size, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  special_tokens=["<|start|>", "<|end|>"], show_progress=False)
    tokenizer = trained(models.BPE(), trainer, pre_tokenizer=pre_tokenizers.ByteLevel(add_prefix_space=False))
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<|start|> $A <|end|>", special_tokens=[("<|start|>", 0), ("<|end|>", 1)])
    tokenizer.enable_truncation(16)  # which a count must not follow
    return tokenizer


def words_bpe() -> Tokenizer:
    """Like Llama 2's: no words before the merges, so that a text is one."""
    trainer = trainers.BpeTrainer(vocab_size=600, special_tokens=["<unk>"], show_progress=False)
    tokenizer = trained(models.BPE(unk_token="<unk>"), trainer, pre_tokenizer=pre_tokenizers.Metaspace())
    tokenizer.pre_tokenizer = None
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return tokenizer


def unigram() -> Tokenizer:
    """Like T5's."""
    trainer = trainers.UnigramTrainer(vocab_size=600, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False)
    return trained(models.Unigram(), trainer, normalizers.NFKC(), pre_tokenizers.Metaspace())


def word_piece() -> Tokenizer:
    """Like BERT's."""
    trainer = trainers.WordPieceTrainer(vocab_size=600, special_tokens=["[UNK]"], show_progress=False)
    return trained(models.WordPiece(unk_token="[UNK]"), trainer, normalizers.BertNormalizer(),
                   pre_tokenizers.BertPreTokenizer())


if __name__ == "__main__":
    bytes_bpe().save(str(Path(__file__).with_name("data") / "tokenizer.json"))
