"""Performance as ratios measured in one run. `make bench` runs all benchmarks, `python -m
benchmarks.NAME` runs one."""
