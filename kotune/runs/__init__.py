"""The run folder: its files, the record of finished stages, and the models that read it back.
code_digest.py detects whether a change of the project's code changes its behaviour."""
