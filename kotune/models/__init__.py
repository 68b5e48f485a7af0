"""The models that a recipe may name (presets, models of the hub or in a folder, two quickstart
models) and kotune's chat templates. A model that would run its own code is refused."""
