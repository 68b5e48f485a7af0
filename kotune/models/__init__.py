"""The models that a recipe may name: presets, kotune's chat templates, models from the hub or a
folder, and two quickstart models. A model that would run its own code is refused."""
