"""CPU seconds of the light commands, proof that they import nothing heavy, and CPU seconds of the
slowest bad recipe."""

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.table import Figure, show
from kotune.errors import RecipeError
from kotune.recipe import reading
from tests.bad_recipes import corpus

CLI = Path(__file__).parent.parent / "cli.py"
HEAVY = ("torch", "transformers", "axolotl", "lm_eval", "datasets")
COMMANDS = {
    "--help": (["--help"], 0.5),
    "preview --help": (["preview", "--help"], 0.5),
    "plan --help": (["plan", "--help"], 0.5),
    "doctor --help": (["doctor", "--help"], 0.5),
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
        "import runpy\n"
        f"try: runpy.run_path({str(CLI)!r}, run_name='__main__')\n"
        "except SystemExit: pass\n"
        f"print(sum(name in sys.modules for name in {HEAVY!r}), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=CLI.parent
    )
    return int(done.stderr.strip().splitlines()[-1])


def slowest_refusal() -> float:
    """CPU seconds of reading the worst recipe of the tests' corpus of bad ones."""
    worst = 0.0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yml"
        for _, content, _ in corpus():
            path.write_bytes(content)
            begun = time.process_time()
            with suppress(RecipeError):
                reading.load(path)
            worst = max(worst, time.process_time() - begun)
    return worst


if __name__ == "__main__":
    figures = [Figure("the slowest of the bad recipes", slowest_refusal(), "CPU s", most=1.0)]
    for name, (words, bound) in COMMANDS.items():
        seconds = statistics.median(cpu_seconds(words) for _ in range(RUNS))
        figures.append(Figure(f"./cli.py {name}", seconds, "CPU s", most=bound))
        figures.append(Figure(f"./cli.py {name}: heavy imports", heavy_imports(words), most=0))
    show(f"Light commands, median of {RUNS}", figures)
