"""Finished runs against each other: items are paired, differences tested, seeds pooled, and what
may be claimed is decided. Nothing here knows how it is worded or drawn."""
