"""Shows training examples as each model will see them, before training. The output is a screen or a
page."""
