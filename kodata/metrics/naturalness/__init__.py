"""Signals of natural Korean in an answer, each with what it is out of.
What they are worth: tasks/ko_naturalness/README.md."""
