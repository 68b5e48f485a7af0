"""The proof, before training, that a model is scored on the prompt that it is trained on, id by id.
Examples are counted in the model's own tokens at the same time."""
