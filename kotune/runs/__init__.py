"""The run folder: its files, the record of finished stages, and the models that read it back.
code_digest.py detects whether the project's code has changed in what it does."""
