"""Tasks for lm-evaluation-harness, one folder each. See tasks/README.md for how to run them."""
