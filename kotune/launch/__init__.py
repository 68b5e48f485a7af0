"""Runs for an engine elsewhere, one file an engine.
The engine's own command line is started; nothing here schedules."""
