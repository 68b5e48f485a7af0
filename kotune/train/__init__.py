"""Training with Axolotl: configuration, process, checkpoints, our plugin, and recovery from running
out of memory. Workarounds for faults in other projects are in upstream.py."""
