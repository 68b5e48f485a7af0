"""Base and tuned model are scored by lm-evaluation-harness, on the same items and prompts, beside
baselines that need no model. A base model's answers are reused from a sibling run that asked the
same."""
