"""Passes runs to an engine, which is Docker, SLURM or SkyPilot. It starts the engine's command-line
program. Scheduling is done by the engine."""
