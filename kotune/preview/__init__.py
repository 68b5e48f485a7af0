"""Shows, before training, how each model will see the training examples. The preview is printed on
the terminal or written as a page."""
