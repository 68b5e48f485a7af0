"""The models that a recipe may name: presets, chat templates of ours, what the hub gives, and the
two quickstart models. A model that would run code of its own is refused."""
