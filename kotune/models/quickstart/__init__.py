"""How the two quickstart models were made: a corpus of ours, vocabularies and pretraining.
Nothing here runs in a recipe."""
