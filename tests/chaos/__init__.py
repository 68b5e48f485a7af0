"""Runs that are killed again and again, and what came of them: `make chaos`; a short sample of it
runs with the tests."""
