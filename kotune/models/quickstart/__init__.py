"""The code that made the two quickstart models: a generated corpus, vocabularies and pretraining.
Nothing here runs in a recipe."""
