"""Scores the base and the tuned model with lm-evaluation-harness on the same items and prompts, and
scores baselines that need no language model. The base model's answers are reused from an earlier
run with the same test data, code, versions and device."""
