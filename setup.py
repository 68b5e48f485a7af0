"""What is installed, beside what pyproject.toml says: `tasks/` and `recipes/` go under names that
clash with nobody's."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup

# Modules of an earlier build would be packed too.
shutil.rmtree(Path(__file__).parent / "build" / "lib", ignore_errors=True)
setup(
    packages=[*find_packages(include=["kodata*", "kotune*"]), "kotune_tasks", "kotune_recipes"],
    package_dir={"kotune_tasks": "tasks", "kotune_recipes": "recipes"},
    package_data={
        "kodata": ["**/*.jsonl", "**/*.json", "**/*.yaml", "**/*.npz", "samples/**/*"],
        "kotune": [
            "**/*.jinja",
            "**/*.yml",
            "**/*.json",
            "**/*.safetensors",
            "**/*.txt",
            "**/LICENSE*",
            "**/*.md",
            "worker/startup/*.py",
        ],
        "kotune_tasks": ["README.md", "*/*.yaml", "*/*.py", "*/*.txt", "*/*.md"],
        "kotune_recipes": ["**/*.yml", "README.md"],
    },
)
