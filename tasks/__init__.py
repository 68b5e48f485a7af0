"""Tasks for lm-evaluation-harness, one folder each. tasks/README.md says how to run them."""
