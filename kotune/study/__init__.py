"""Runs a study: every combination of recipes and varying values, each as an ordinary run.
One report covers all runs, with learning curves and possible next steps."""
