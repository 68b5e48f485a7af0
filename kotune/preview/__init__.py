"""Training examples as each model will see them, before anything is trained.
Shown on the screen and as a page."""
