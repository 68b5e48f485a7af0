"""Scores the base and the tuned model with lm-evaluation-harness on the same items and prompts, and
baselines that need no model. The base model's answers are reused from a sibling run with the same
data, code, versions and device."""
