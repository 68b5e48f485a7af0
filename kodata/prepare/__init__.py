"""Records become training examples: split by group, cleaned, checked for leaks, written with a
manifest. What is left out is counted."""
