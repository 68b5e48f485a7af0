"""Reads recipes, which are strict YAML checked with kotune's schema and Axolotl's own, and lists
every problem at once. The checks import no heavy package, such as torch."""
