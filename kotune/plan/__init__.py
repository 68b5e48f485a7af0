"""Predicts what a recipe needs before it is run: tokens, steps, memory, time and cost on each GPU.
Memory and time are predictions, not measurements."""
