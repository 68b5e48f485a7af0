"""Proves before training, token id by token id, that a model is scored on the prompt that it is
trained on. The tokens of all examples are counted in the same pass."""
