"""Passes runs to an engine (Docker, SLURM or SkyPilot) by starting its command-line program. The
engine does the scheduling."""
