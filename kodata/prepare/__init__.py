"""Turns records into training examples: split by group, cleaned, checked for leaks, and written
with a manifest. Every dropped row is counted."""
