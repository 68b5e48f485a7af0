"""Packaging that pyproject.toml cannot express: `tasks/` and `recipes/` are installed under names
that do not clash with other packages."""

import shutil
from pathlib import Path

from setuptools import find_packages, setup

# Modules of an earlier build would be packaged too.
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
        "kotune_recipes": ["*.yml", "studies/*.yml", "README.md"],
    },
)
