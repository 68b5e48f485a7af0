"""Provides kotune's Axolotl plugin under a fixed import path. The path is in the axolotl.yml of
every run folder, so it must not change."""

from kotune.train.plugin import KotunePlugin

__all__ = ["KotunePlugin"]
