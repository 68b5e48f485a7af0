"""After an edit of the code, a finished run repeats the stages that depend on it, and no others."""

import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from kotune import stages
from kotune.models import presets
from kotune.recipe.reading import load
from kotune.runs.code_digest import Code
from kotune.runs.folder import Run
from kotune.runs.job import Job
from kotune.shipped import ROOT
from kotune_tasks import card
from tests.conftest import write_recipe

RECIPE = "model: quickstart-llama\ndata:\n  - source: nli_sample\n"
PACKAGES = ("kodata", "kotune", "tasks")


class Edit(NamedTuple):
    """`again`: the stages whose inputs change; those that work on what they make follow by
    themselves."""

    what: str
    file: str
    old: str
    new: str
    again: tuple[str, ...] = ()


PROMPT = ("prepare", "render", "score", "report")  # what a task asks stands in its page, too
TASK = ("render", "score", "report")
PREPARE = ("prepare",)
SCORING = ("render", "score")  # every task is rehearsed when a run is rendered
HARMLESS = [
    Edit("a comment", "kodata/klue_nli.py", "\nLABELS = {", "\n# The three.\nLABELS = {"),
    Edit(
        "a docstring",
        "kodata/prepare/convert.py",
        "Converts data sets",
        "Converts Korean data sets",
    ),
    Edit(
        "a function's docstring",
        "kotune/score/scoring.py",
        '"""Write `samples',
        '"""Writes `samples',
    ),
    Edit("an annotation", "kodata/prepare/cleaning.py", "seen: dict[int, int] = {}", "seen = {}"),
    Edit(
        "an argument's annotation",
        "kodata/klue_nli.py",
        "question(record: Record, form: str =",
        "question(record: Record, form: object =",
    ),
    Edit(
        "an error's words",
        "kodata/reading/delimited.py",
        "without an end of line",
        "with no end of line",
    ),
    Edit(
        "a comment in a task's file",
        "tasks/klue_nli_ko/klue_nli_ko.yaml",
        "# 함의, 중립, 모순",
        "# three words",
    ),
    Edit(
        "a comment in a template",
        "kotune/models/templates/llama3.jinja",
        "{{- bos",
        "{# first #}\n{{- bos",
    ),
    Edit("a comment in the phrases", "kotune/display/phrases/en.yml", "\n", "\n# words\n"),
    Edit("formatting", "kodata/records.py", "\n\n\n", "\n\n\n\n\n"),
    Edit(
        "a function that nobody calls",
        "kodata/records.py",
        "\n\n\n",
        "\n\n\ndef unused():\n    return 1\n\n\n",
    ),
    Edit("another source's prompt", "kodata/korquad.py", "답만 쓰세요.", "답만 적으세요."),
    Edit(
        "another task's scoring",
        "tasks/nsmc_ko/nsmc_ko.py",
        "float(gold == predicted)",
        "float(gold != predicted)",
    ),
    Edit("another task's file", "tasks/nsmc_ko/nsmc_ko.yaml", "version:", "version: 9 #"),
    Edit("another metric", "kodata/metrics/metrics.py", "beyond > 1e-9", "beyond > 1e-6"),
    Edit(
        "a signal of another task",
        "kodata/metrics/naturalness/translationese.py",
        "PRONOUNS = ",
        "PRONOUNS = () or ",
    ),
    Edit(
        "another model's template",
        "kotune/models/templates/deepseek_r1.jinja",
        "['content']",
        "['content'] | upper",
    ),
    Edit("another preset", "kotune/models/presets.yml", "DeepSeek-R1-Distill-Qwen-1.5B", "Other"),
    Edit("an engine", "kotune/launch/slurm.sbatch.jinja", "\n", "\n#SBATCH --exclusive\n"),
    Edit("how jobs are launched", "kotune/launch/slurm.py", "sbatch", "srun"),
    Edit("a plan's clock", "kotune/plan/clock.py", "return ", "return 2 * "),
    Edit("doctor", "kotune/doctor/machine.py", "return ", "return not "),
    Edit("the screen", "kotune/display/progress.py", "LINES = 10", "LINES = 20"),
    Edit(
        "the import's name",
        "kodata/prepare/entries.py",
        "import source as find_source",
        "import source as find_source  #",
    ),
]
MEANT = [
    Edit("a plot", "kotune/display/plots/rows.py", "SPANNED = ", "SPANNED = 2 * ", ("report",)),
    Edit("a page", "kotune/display/pages/report.html.jinja", "<h2", "<h3", ("report",)),
    Edit("a phrase", "kotune/display/phrases/ko.yml", "튜닝", "파인튜닝", ("report",)),
    Edit(
        "an interval", "kotune/compare/paired.py", "RESAMPLES = ", "RESAMPLES = 2 * ", ("report",)
    ),
    Edit("a prompt", "kodata/klue_nli.py", "한 단어로 답하세요.", "한 낱말로 답하세요.", PROMPT),
    Edit("a label's word", "kodata/klue_nli.py", '"neutral": "중립"', '"neutral": "무관"', PROMPT),
    Edit(
        "a reader", "kodata/nli_sample/__init__.py", 'f"{split}.json"', 'f"{split}.jsonl"', PROMPT
    ),
    Edit("how text is cleaned", "kodata/text.py", '"NFC"', '"NFKC"', PROMPT),
    Edit(
        "the split",
        "kodata/prepare/split.py",
        "VALIDATION_SHARE = 0.05",
        "VALIDATION_SHARE = 0.1",
        ("prepare",),
    ),
    Edit(
        "what is left out",
        "kodata/prepare/cleaning.py",
        "OVERSIZED = 100_000",
        "OVERSIZED = 1",
        ("prepare",),
    ),
    Edit(
        "what is a leak",
        "kodata/prepare/leaks.py",
        "MIN_SIMILARITY = ",
        "MIN_SIMILARITY = 0.5 * ",
        ("prepare",),
    ),
    Edit("a metric", "kodata/metrics/metrics.py", "2 * hits", "3 * hits", TASK),
    Edit(
        "a metric of a task",
        "tasks/klue_nli_ko/klue_nli_ko.py",
        "max(likelihoods)",
        "min(likelihoods)",
        TASK,
    ),
    Edit("a task's chance", "tasks/nli_sample_ko/nli_sample_ko.yaml", "0.3333", "0.5", TASK),
    Edit(
        "the file that a task includes",
        "tasks/klue_nli_ko/klue_nli_ko.yaml",
        "num_fewshot: 0",
        "num_fewshot: 1",
        TASK,
    ),
    Edit(
        "data that a task reads",
        "tasks/klue_nli_ko/hard_guids.txt",
        "\n",
        "\nklue-nli-v1_dev_00000\n",
        TASK,
    ),
    Edit("the proof's sample", "kotune/parity/shapes.py", "ITEMS = 128", "ITEMS = 64", ("render",)),
    Edit(
        "how tasks are loaded",
        "kotune/score/harness.py",
        "include_defaults=False",
        "include_defaults=True",
        SCORING,
    ),
    Edit("scoring's seed", "kotune/score/scoring.py", "SEED = 1234", "SEED = 1", SCORING),
    Edit(
        "what scores.json says",
        "kotune/score/scoring.py",
        "criterion=card.criterion",
        "criterion=card.name",
        ("score",),
    ),
    Edit("baselines", "kodata/metrics/classifiers.py", '"않", ', "", SCORING),
    Edit(
        "the rows behind baselines",
        "kotune/score/baselines.py",
        "ROWS = 25_000",
        "ROWS = 50_000",
        SCORING,
    ),
    Edit(
        "the plugin",
        "kotune/train/upstream.py",
        "set_seed(cfg.seed)",
        "set_seed(cfg.seed + 1)",
        ("train",),
    ),
    Edit(
        "4-bit kernels",
        "kotune/train/upstream.py",
        "support_avx512bf16_for_cpu = ",
        "other = ",
        ("render", "train", "score"),
    ),
    Edit(
        "a 4-bit load",
        "kotune/train/precision.py",
        "use_double_quant=True",
        "use_double_quant=False",
        SCORING,
    ),
    Edit(
        "its own template",
        "kotune/models/templates/llama3.jinja",
        "['content']",
        "['content'] | upper",
        ("render",),
    ),
    Edit(
        "an import of another function",
        "kodata/prepare/split.py",
        "import unspaced",
        "import clean as unspaced",
        PREPARE,
    ),
    Edit(
        "a reader in its own process",
        "kodata/reading/column_rows.py",
        "ROWS = 256",
        "ROWS = 128",
        PROMPT,
    ),
    Edit(
        "what a module does when it is imported",
        "kodata/errors.py",
        "_BRIEF.maxstring = ",
        "_BRIEF.maxlist = ",
        PROMPT,
    ),
]


class Tree(NamedTuple):
    """A copy of the project, and what each stage of a run of it would depend on."""

    root: Path
    stages: Callable[[], dict[str, object]]

    def again(self, before: dict[str, object]) -> tuple[str, ...]:
        after = self.stages()
        return tuple(stage for stage in after if after[stage] != before[stage])


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tree]:
    """The stages' inputs are those of the real Job, with code, templates and words from the
    copy."""
    root = tmp_path_factory.mktemp("tree")
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package,
            root / package,
            ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"),
        )
    recipe = load(write_recipe(root, RECIPE))

    def of_stages() -> dict[str, object]:
        stages.code.cache_clear()
        stages.task_digest.cache_clear()
        job = Job(recipe, Run(root / "run"), "cpu", None)
        return {stage: stages.inputs(job, stage) for stage in stages.INPUTS}

    preset = presets.PRESETS["quickstart-llama"]
    assert preset.template
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "ROOT", root)
        patch.setattr(stages, "PACKAGE", root / "kotune")
        patch.setattr(stages, "TASKS", root / "tasks")
        patch.setattr(stages, "PAGES", root / "kotune" / "display" / "pages")
        patch.setattr(stages, "PHRASES", root / "kotune" / "display" / "phrases")
        patch.setattr(card, "FOLDER", root / "tasks")
        there = root / "kotune" / "models" / "templates" / preset.template.name
        patch.setitem(presets.PRESETS, "quickstart-llama", replace(preset, template=there))
        yield Tree(root, of_stages)
    stages.code.cache_clear()
    stages.task_digest.cache_clear()


@pytest.fixture(scope="module")
def before(copied: Tree) -> dict[str, object]:
    return copied.stages()


@contextmanager
def edited(tree: Tree, texts: dict[str, str]) -> Iterator[None]:
    """These files with other texts, new ones among them, for a while."""
    paths = {tree.root / file: text for file, text in texts.items()}
    kept = {path: path.read_text(encoding="utf-8") for path in paths if path.exists()}
    for path, text in paths.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    try:
        yield
    finally:
        for path in paths:
            path.write_text(kept[path], encoding="utf-8") if path in kept else path.unlink()


def texts_after(tree: Tree, edits: list[Edit]) -> dict[str, str]:
    """The files that these edits touch, with all of them done."""
    texts: dict[str, str] = {}
    for edit in edits:
        text = texts.get(edit.file) or (tree.root / edit.file).read_text(encoding="utf-8")
        assert edit.old in text, f"the table is older than the code: {edit.what}"
        texts[edit.file] = text.replace(edit.old, edit.new)
    return texts


@pytest.mark.parametrize("edit", MEANT, ids=lambda edit: edit.what.replace(" ", "_"))
def test_an_edit_redoes_what_depends_on_it(
    copied: Tree, before: dict[str, object], edit: Edit
) -> None:
    with edited(copied, texts_after(copied, [edit])):
        assert copied.again(before) == edit.again


def test_edits_that_change_no_meaning_redo_nothing(copied: Tree, before: dict[str, object]) -> None:
    with edited(copied, texts_after(copied, HARMLESS)):
        assert copied.again(before) == ()


@pytest.mark.slow  # together above: here it is seen which of them it was
@pytest.mark.parametrize("edit", HARMLESS, ids=lambda edit: edit.what.replace(" ", "_"))
def test_an_edit_that_changes_no_meaning_redoes_nothing(
    copied: Tree, before: dict[str, object], edit: Edit
) -> None:
    with edited(copied, texts_after(copied, [edit])):
        assert copied.again(before) == ()


def replaced(tree: Tree, old: str, new: str) -> dict[str, str]:
    """Every Python file in which a pattern occurs, with `new` in its place."""
    found = {}
    for package in PACKAGES:
        for path in (tree.root / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            if (after := re.sub(old, new, text)) != text:
                found[str(path.relative_to(tree.root))] = after
    return found


def test_a_module_that_moves_redoes_nothing(copied: Tree, before: dict[str, object]) -> None:
    moved = replaced(copied, r"from kodata\.records import", "from kodata.text.cells import")
    assert len(moved) > 9
    text = (copied.root / "kodata" / "records.py").read_text(encoding="utf-8")
    with edited(
        copied,
        {
            **moved,
            "kodata/text/__init__.py": "",
            "kodata/text/cells.py": text,
            "kodata/records.py": "",
        },
    ):
        assert copied.again(before) == ()


def test_a_function_that_moves_under_another_name_redoes_nothing(
    copied: Tree, before: dict[str, object]
) -> None:
    moved = replaced(copied, r"\bdescribe_non_text\b", "without_text")
    records = moved["kodata/records.py"]
    start = records.index("def without_text")
    end = records.index('    return ""\n', start) + len('    return ""\n')
    head = records[: records.index("\n\n\n")]
    moved["kodata/told.py"] = head + "\n\n\n" + records[start:end]
    moved["kodata/records.py"] = (
        records[:start] + "from kodata.told import without_text  # noqa\n" + records[end:]
    )
    with edited(copied, moved):
        assert copied.again(before) == ()
    other = moved["kodata/told.py"].replace('return ""', "return None")
    with edited(copied, {**moved, "kodata/told.py": other}):
        assert copied.again(before) == PROMPT


def test_every_definition_that_is_named_is_there() -> None:
    with pytest.raises(
        LookupError, match=r"kodata\.prepare\.convert\.nothing is not defined in kodata"
    ):
        Code({"kodata": ROOT / "kodata"}).digest("kodata.prepare.convert.nothing")


def test_scopes_are_pythons_own(tmp_path: Path) -> None:
    """A name that a function binds hides the module's; one that only a function inside it binds
    does not."""
    texts = {
        "a parameter": "def root(value): return value",
        "a variable": "def root():\n    for value in (): pass\n    return value",
        "a comprehension": "def root(): return [value for value in ()]",
        "an import": "def root():\n    from os import path as value\n    return value",
        "a lambda's": "root = lambda value: value",
        "a class's own": "class Root:\n    value = 1\n    other = value\nroot = Root",
    }
    for what, text in texts.items():
        assert reaches(tmp_path, text) is False, what
    free = {
        "global": "def root():\n    global value\n    value = 1\n    return value",
        "inside": "def root():\n    def inner(value): return value\n    return value",
        "the first of a comprehension": "def root(): return [value for value in value]",
        "a default": "def root(value=value): return value",
        "a decorator": "@value\ndef root(): pass",
        "in a class's function": (
            "class Root:\n    value = 1\n    def see(self): return value\nroot = Root"
        ),
        "an f-string": "def root(): return f'{value}'",
        "a base class": "class Root(value): pass\nroot = Root",
    }
    for what, text in free.items():
        assert reaches(tmp_path, text) is True, what


def reaches(folder: Path, text: str) -> bool:
    """Whether `root` depends on `value`."""
    (folder / "p.py").write_text(f"value = 1\n{text}\n", encoding="utf-8")
    return any(name == "value" for (_, name), _, _ in Code({"p": folder / "p"}).reached("p.root"))
