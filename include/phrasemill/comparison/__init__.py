"""Comparison: the same phrases through several engines, models or settings, and one table of what came of each.

It is how a model and its settings are chosen: docs/choosing.md.
"""
