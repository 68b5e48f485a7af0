"""The run folder: its files, its record of finished stages, and what it says when it is read back.
code_digest tells whether our own code has changed in what it does."""
