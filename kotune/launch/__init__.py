"""Hands runs over to an engine: Docker, SLURM or SkyPilot.
It starts the engine's own command line and schedules nothing itself."""
