"""The models that a recipe may name. These are presets, models from the hub or a folder, and two
quickstart models. This package also has kotune's chat templates. A model that would run its own
code is refused."""
