"""Finished runs with clusters of uneven size: lm-eval and kotune's scoring ask a rule instead of a
model. What is right about a premise is mostly right for all its hypotheses, so that a resample of
items instead of clusters would show."""

import random
from dataclasses import dataclass
from pathlib import Path

from kodata.prepare import convert
from kodata.prepare.entries import Entry
from kotune.runs.folder import write_json
from kotune.score import scoring
from kotune.score.baselines import BaselineScorer
from kotune.score.harness import load_task
from tests.conftest import rule_model
from tests.finished import MANIFEST, Made, finished

TASK = "nli_sample_ko"
PREMISES, SIZES = 70, (1, 2, 3, 3, 3, 5, 6, 9)
RELATIONS = {"entailment": "함의", "neutral": "중립", "contradiction": "모순"}
SURE = 1.5  # how far apart log-likelihoods lie without knowledge


@dataclass(frozen=True)
class Skill:
    """How well a variant knows the answers: log-likelihood of the right choice above the others, on
    average. `name` draws what it knows of each premise; `common` has two variants share it."""

    name: str
    mean: float
    common: float = 0.8


BASE, A, B = Skill("base", 0.1), Skill("a", 1.6), Skill("b", 2.9)


def documents(first: int) -> list[dict[str, str]]:
    """The items: premises from number `first` on, each with one to nine hypotheses."""
    docs: list[dict[str, str]] = []
    for premise in range(first, first + PREMISES):
        for number in range(random.Random(f"size {premise}").choice(SIZES)):
            # A premise of three or more hypotheses may still lack a label, and then does not count.
            label = [*RELATIONS][(premise + number) % (2 if premise % 9 == 0 else 3)]
            docs.append(
                {
                    "guid": f"uneven-{premise}-{number}",
                    "source": "doors",
                    "premise": f"{premise}번 문이 열렸다.",
                    "hypothesis": f"{number}번 창이 닫혔다.",
                    "label": label,
                }
            )
    return docs


def run(folder: Path, made: Made, tuned: Skill) -> Path:
    """A run folder whose samples and scores are scoring's own, on premises from `made.first` on.
    Its training rows are shipped ones."""
    finished(folder, made)
    convert.convert([Entry("nli_sample", samples=200)], folder / "data", 42)
    write_json(folder / "data" / "manifest.json", MANIFEST)  # as run.json has it
    task = load_task(TASK).with_documents(docs := documents(made.first))
    for variant, skill in (("base", BASE), ("tuned", tuned)):
        model = rule_model()(_rule(skill, docs))
        scoring._write(folder, variant, task, scoring.evaluated(task, model, None), [])
    entry = scoring._entry(folder, task, BaselineScorer(folder))
    write_json(folder / "scores.json", {TASK: entry.as_json()})
    return folder


def _rule(skill: Skill, docs: list[dict[str, str]]) -> object:
    """(prompt, choice) -> log-likelihood."""
    right = {(doc["premise"], doc["hypothesis"]): RELATIONS[doc["label"]] for doc in docs}

    def rule(prompt: str, choice: str) -> float:
        lines = prompt.split("\n")
        premise, hypothesis = (line.partition(": ")[2] for line in lines[:2])
        common, own = (random.Random(f"{of} {premise}").gauss(0, 1) for of in ("all", skill.name))
        known = skill.mean + 2 * (skill.common * common + (1 - skill.common) * own)
        noise = random.Random(f"{skill.name} {prompt} {choice}").gauss(0, SURE)
        return noise - 5 + known * (choice == right[premise, hypothesis])

    return rule
