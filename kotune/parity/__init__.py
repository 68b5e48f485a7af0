"""Proves before training, token id by token id, that a model is scored on the prompt that it is
trained on. The lengths of all examples in the model's tokens are counted in the same pass."""
