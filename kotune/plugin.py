"""Provides kotune's Axolotl plugin under a fixed import path. The axolotl.yml of every run folder
contains this path, so it must not change."""

from kotune.train.plugin import KotunePlugin

__all__ = ["KotunePlugin"]
