"""The code that created the two quickstart models. It generates a corpus, builds the tokenizers and
pretrains the models. A run of a recipe uses none of it."""
