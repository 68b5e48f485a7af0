"""The lines that a run prints about its data, parity proof, training and scores. The parity proof
shows that the trained prompts and the scored prompts are equal. Some lines are also notes of a
report."""

from collections.abc import Iterator, Sequence

from kodata.aihub_dialogue.shapes import OTHER_ANSWERS
from kodata.chat.turns import UNTRAINED_END
from kodata.control_text import ENDED, REWRITTEN, SPACED
from kodata.dialogue import EMPTY, UNANSWERED, UNASKED
from kodata.reading.keys import CONTROLS
from kotune.display.phrases import LANGUAGES, Phrases
from kotune.runs.manifest import Manifest, ManifestEntry
from kotune.runs.proof import EQUAL, NOT_PROVEN, NOT_TRAINED, Parity, TaskProof
from kotune.runs.records import Doubted, Halved, MetricValue, TaskScores
from kotune_tasks.card import cards

SHOWN = 5  # the maximum number of keys and files that a line about unread data lists
# What was done to rewritten rows, by the key of the manifest's `rewritten`.
DONE = {
    REWRITTEN: "names of special tokens changed to plain text (<|x|> to < |x|>)",
    ENDED: "end-of-turn tokens at the end of a text removed",
    SPACED: "white space at the end of a text removed",
    CONTROLS: "control characters removed",
    EMPTY: "utterances without text removed",
    UNASKED: "turns before the first question removed",
    UNANSWERED: "last turns without an answer removed",
    OTHER_ANSWERS: "further answers to the same question removed",
    UNTRAINED_END: "last answers that are not trained removed, with their questions",
}


def doubts(
    warnings: Sequence[Doubted] | None, halvings: Sequence[Halved] | None, phrases: Phrases
) -> list[str]:
    """The sentences on problems in training. There is one for each warning, and one for each
    halving of the micro-batch size. `warnings`, `halvings`: as in run.json. None stands for
    none."""
    facts = [warning.as_json() for warning in warnings or ()]
    facts += [{"kind": "halved", **halving.as_json()} for halving in halvings or ()]
    return [phrases.phrase("doubts", str(fact["kind"]), **fact) for fact in facts]


def score_lines(scores: dict[str, TaskScores]) -> list[str]:
    """A line for each task, with the primary metric of the base model and of the tuned model, and
    the difference."""
    return [_score_line(task, cards()[task].primary, entry) for task, entry in scores.items()]


def _score_line(task: str, metric: str, entry: TaskScores) -> str:
    base = entry.base[metric]
    if not entry.tuned:
        return f"{task} {metric}: {_value(base)} (n = {base.n:,}); nothing is tuned"
    tuned = entry.tuned[metric]
    values = (
        f"base {_value(base)}, tuned {_value(tuned)} ({_difference(base, tuned)}, n ="
        f" {_item_counts(base, tuned)})"
    )
    others = len(entry.base) - 1
    doubt = "; NOT PROVEN: no task scores the trained prompt" if entry.proven == NOT_PROVEN else ""
    more = f"; {others} more in the report" if others else ""
    return f"{task} {metric}: {values}{doubt}{more}"


def _difference(base: MetricValue, tuned: MetricValue) -> str:
    """The tuned value minus the base value as text. `n/a` if one of them is undefined."""
    if base.value is None or tuned.value is None:
        return "n/a"
    return f"{tuned.value - base.value:+.3f}"


def _item_counts(base: MetricValue, tuned: MetricValue) -> str:
    """The number of items with the metric. If it differs between base and tuned, both numbers are
    given, for example `90 and 95`."""
    return " and ".join(f"{n:,}" for n in dict.fromkeys((base.n, tuned.n)))


def _value(metric: MetricValue) -> str:
    """A metric's value with its standard error, for example `0.712 ± 0.020`."""
    if metric.value is None:
        return "n/a"
    return f"{metric.value:.3f}" + (f" ± {metric.stderr:.3f}" if metric.stderr is not None else "")


def proven(proof: Parity) -> Iterator[str]:
    """The result of the parity proof. There is a line for the labels (the trained tokens) and a
    line for each task. Another line follows the labels if the chat template removes white space."""
    rows, checked = proof.labels.rows, proof.labels.checked
    rest = "" if checked == rows else "; the others were checked only as text"
    yield (
        f"parity labels: only the answer and its end of turn are trained, in {checked:,} of"
        f" {rows:,} rows{rest}"
    )
    if trimmed := proof.lengths.trimmed:
        yield (
            f"the model's chat template removes the white space before a turn in {trimmed:,} rows,"
            " in training and in scoring; kotune's own templates (`template`) keep it"
        )
    for task, result in proof.tasks.items():
        yield f"parity {task}: {_proven(cards()[task].source, result)}"


def _proven(source: str, proof: TaskProof) -> str:
    """The result of one task's proof. `source`: the data source of the task."""
    if proof.status == EQUAL:
        return f"{proof.items:,} prompts have equal token ids in training and scoring"
    if proof.status == NOT_TRAINED:
        return "this prompt is not trained"
    forms = ", ".join(proof.trained)
    return f"NOT PROVEN: no task scores the trained prompt of {source} ({forms})"


def prepared(manifest: Manifest) -> Iterator[str]:
    """The lines on prepared data. They have the numbers of rows, and the data that were dropped,
    not read or rewritten. The last lines are on test data, and on tasks without test data."""
    rows = manifest.rows
    dropped = sum(sum(entry.dropped.values()) for entry in manifest.entries)
    yield (
        f"{rows.train:,} training rows, {rows.validation:,} validation rows, {dropped:,} dropped"
    )
    for entry in manifest.entries:
        if unread := _unread(entry):
            yield f"{entry.source}: not read: {unread}"
        for what, n in entry.rewritten.items():
            yield f"{entry.source}: {DONE[what]} in {n:,} rows"
        if not entry.kept.validation:
            yield f"{entry.source}: no rows for validation"
    handled = "kept" if manifest.leaks.policy == "keep" else "dropped"
    for leak in manifest.leaks.found:
        yield (
            f"{leak.source}: {leak.rows:,} rows repeat test data of {leak.task}"
            f" ({leak.kind}); {handled}"
        )
    yield from test_parts(manifest, Phrases(LANGUAGES[0]))
    yield from not_scored(manifest, Phrases(LANGUAGES[0]))


def test_parts(manifest: Manifest, phrases: Phrases) -> Iterator[str]:
    """Notes on each task's test data. They have the numbers of rows that were left out, of rows
    with keys that were not read, and of rewritten rows. If the source has no test split, a note
    gives the share of rows that was kept for testing. Manifests of earlier versions give no
    notes."""
    for task, data in manifest.scored.items():
        for reason, n in data.left_out.items():
            yield phrases(
                "test_left_out", task=task, n=f"{n:,}", reason=phrases.word("reasons", reason)
            )
        if keys := data.not_read:
            named = ", ".join(
                phrases("unread_key", name=key, n=f"{n:,}") for key, n in list(keys.items())[:SHOWN]
            )
            yield phrases("test_unread", task=task, what=named + ", ..." * (len(keys) > SHOWN))
        for what, n in data.rewritten.items():
            yield phrases(
                "test_rewritten", task=task, n=f"{n:,}", what=phrases.word("rewriting", what)
            )
        if share := data.test_share:
            yield phrases("kept_for_test", task=task, share=f"{100 * share:.3g}%")


def not_scored(manifest: Manifest, phrases: Phrases) -> Iterator[str]:
    """A sentence for each task of the recipe that is not scored, with the reason. It has no test
    rows, or too few groups of rows for a test split."""
    for task, groups in manifest.not_scored.items():
        counts = {"groups": groups.groups, "needed": groups.needed}
        kind = "none_kept" if groups.groups is None else "few_groups"
        texts = {key: f"{count:,}" for key, count in counts.items() if count}
        yield phrases.phrase("not_scored", kind, task=task, **texts)


def _unread(entry: ManifestEntry) -> str:
    """The first SHOWN keys and files of a data entry that were not read, and the number of the
    others. Empty if everything was read."""
    unread = [f"{key} ({n:,} rows)" for key, n in entry.not_read.items()] + entry.unread_files
    more = (
        f" and {len(unread) - SHOWN:,} more (all: data/manifest.json)"
        if len(unread) > SHOWN
        else ""
    )
    return ", ".join(unread[:SHOWN]) + more
