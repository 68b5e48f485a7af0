"""Runs every benchmark. The exit code is 1 if a figure misses its bound."""

import subprocess
import sys

NAMES = (
    "commands",
    "compare",
    "convert",
    "leaks",
    "naturalness",
    "plan",
    "quickstart",
    "rivals",
    "scoring",
    "stages",
    "tasks",
)

if __name__ == "__main__":
    failed = [
        name
        for name in NAMES
        if subprocess.run([sys.executable, "-m", f"benchmarks.{name}"], check=False).returncode
    ]
    print(f"missed: {', '.join(failed)}" if failed else "every figure is met")
    sys.exit(bool(failed))
