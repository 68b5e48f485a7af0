"""Reads recipes, checks them and lists every problem at once. A recipe must be strict YAML and fit
kotune's schema and Axolotl's own schema. The checks import no heavy package, such as torch."""
