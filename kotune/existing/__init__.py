"""Brings a model or an adapter that was trained elsewhere into a run folder, where it is scored
like a run's own. Nothing is trained, and the records say so."""
