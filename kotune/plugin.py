"""The name of our Axolotl plugin in the axolotl.yml of every run folder, which stays where it
is."""

from kotune.train.plugin import KotunePlugin

__all__ = ["KotunePlugin"]
