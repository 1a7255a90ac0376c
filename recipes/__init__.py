"""Recipes as data: nothing here is code."""
