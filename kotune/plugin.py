"""The path under which every run folder's axolotl.yml imports our Axolotl plugin. It must not
change."""

from kotune.train.plugin import KotunePlugin

__all__ = ["KotunePlugin"]
