"""Reads and checks recipes (strict YAML, kotune's schema, Axolotl's own schema) and lists every
problem at once. Nothing heavy is imported here."""
