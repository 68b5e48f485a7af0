"""Reads and checks recipes: strict YAML, kotune's schema, Axolotl's own schema. Every problem is
listed at once. Nothing heavy is imported here."""
