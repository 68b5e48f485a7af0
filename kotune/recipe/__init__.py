"""Reads and checks recipes (strict YAML, kotune's schema, Axolotl's own schema) and lists every
problem at once. No heavy package (torch, transformers) is imported."""
