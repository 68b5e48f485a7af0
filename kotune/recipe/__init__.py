"""What may be asked: a recipe is read strictly, checked against Axolotl's own schema, and every
problem is listed at once. Nothing heavy is imported here."""
