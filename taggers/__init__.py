"""Taggers: pure functions from a batch of texts to columns. They measure; recipes judge."""
