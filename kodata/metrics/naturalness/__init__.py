"""Faults and signals of style in a Korean answer.
What they are worth: tasks/ko_naturalness/README.md."""
