"""The run folder: its files, the record of finished stages, and the pydantic models for them.
code_digest.py detects whether a change of the project's code changes its behaviour."""
