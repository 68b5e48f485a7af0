"""CPU seconds of the light commands, and proof that they import nothing heavy."""

import resource
import statistics
import subprocess
import sys
from pathlib import Path

from benchmarks.table import Figure, show

CLI = Path(__file__).parent.parent / "cli.py"
HEAVY = ("torch", "transformers", "axolotl", "lm_eval", "datasets")
COMMANDS = {
    "--help": (["--help"], 0.5),
    "preview --help": (["preview", "--help"], 0.5),
    "check": (["check", "recipes/deepseek_lora.yml"], 1.0),
    "render": (["render", "recipes/deepseek_lora.yml"], 1.0),
}
RUNS = 5


def cpu_seconds(words: list[str]) -> float:
    """User + system seconds of one command with everything it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([str(CLI), *words], check=True, stdout=subprocess.DEVNULL, cwd=CLI.parent)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def heavy_imports(words: list[str]) -> int:
    """How many heavy packages a command leaves in sys.modules."""
    code = (
        f"import sys; sys.argv = ['cli.py', *{words!r}]\n"
        f"import runpy\ntry: runpy.run_path({str(CLI)!r}, run_name='__main__')\nexcept SystemExit: pass\n"
        f"print(sum(name in sys.modules for name in {HEAVY!r}), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CLI.parent)
    return int(done.stderr.strip().splitlines()[-1])


if __name__ == "__main__":
    figures = []
    for name, (words, bound) in COMMANDS.items():
        seconds = statistics.median(cpu_seconds(words) for _ in range(RUNS))
        figures.append(Figure(f"./cli.py {name}", seconds, "CPU s", most=bound))
        figures.append(Figure(f"./cli.py {name}: heavy imports", heavy_imports(words), most=0))
    show(f"Light commands, median of {RUNS}", figures)
