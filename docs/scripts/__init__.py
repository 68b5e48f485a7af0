"""Writes the parts of the documentation that come from the program itself. Each module is a
command, for example `python -m docs.scripts.commands`."""
