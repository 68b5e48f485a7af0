"""Compares finished runs: items are paired, differences tested, seeds pooled, and claims decided.
Wording and drawing are in other rooms."""
