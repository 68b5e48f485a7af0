"""Hands runs over to an engine (Docker, SLURM, SkyPilot); one module an engine. It starts the
engine's own command line. Nothing here schedules."""
