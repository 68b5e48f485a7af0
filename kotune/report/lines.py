"""The lines that a run prints about its data, parity proof, training and scores. The parity proof
shows that the trained prompts and the scored prompts are equal. Some lines are also notes of a
report."""

from collections.abc import Iterator, Sequence

from kodata.aihub_dialogue.shapes import OTHER_ANSWERS
from kodata.chat.turns import UNTRAINED_END
from kodata.control_text import ENDED, REWRITTEN, SPACED
from kodata.dialogue import EMPTY, UNANSWERED, UNASKED
from kodata.errors import Translatable, joined
from kodata.reading.keys import CONTROLS
from kotune.display.phrases import Phrases
from kotune.runs.manifest import Manifest, ManifestEntry
from kotune.runs.proof import EQUAL, NOT_PROVEN, NOT_TRAINED, Parity, TaskProof
from kotune.runs.records import Doubted, Halved, MetricValue, TaskScores
from kotune_tasks.card import cards

SHOWN = 5  # the maximum number of keys and files that a line about unread data lists
# What was done to rewritten rows, by the key of the manifest's `rewritten`.
DONE = {
    REWRITTEN: Translatable("names of special tokens changed to plain text (<|x|> to < |x|>)"),
    ENDED: Translatable("end-of-turn tokens at the end of a text removed"),
    SPACED: Translatable("white space at the end of a text removed"),
    CONTROLS: Translatable("control characters removed"),
    EMPTY: Translatable("utterances without text removed"),
    UNASKED: Translatable("turns before the first question removed"),
    UNANSWERED: Translatable("last turns without an answer removed"),
    OTHER_ANSWERS: Translatable("further answers to the same question removed"),
    UNTRAINED_END: Translatable("last answers that are not trained removed, with their questions"),
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
    base, tuned = entry.base[metric], entry.tuned[metric]
    values = Translatable(
        "base {base}, tuned {tuned} ({difference}, n = {n})",
        base=_value(base),
        tuned=_value(tuned),
        difference=_difference(base, tuned),
        n=_item_counts(base, tuned),
    )
    parts = [joined("", (f"{task} {metric}: ", values))]
    if entry.proven == NOT_PROVEN:
        parts.append(Translatable("NOT PROVEN: no task scores the trained prompt"))
    if others := len(entry.base) - 1:
        parts.append(Translatable("{others} more in the report", others=others))
    return joined("; ", parts)


def _difference(base: MetricValue, tuned: MetricValue) -> str:
    """The tuned value minus the base value as text. `n/a` if one of them is undefined."""
    if base.value is None or tuned.value is None:
        return "n/a"
    return f"{tuned.value - base.value:+.3f}"


def _item_counts(base: MetricValue, tuned: MetricValue) -> str:
    """The number of items with the metric. If it differs between base and tuned, both numbers are
    given, for example `90 and 95`."""
    if base.n == tuned.n:
        return f"{base.n:,}"
    return Translatable("{base:,} and {tuned:,}", base=base.n, tuned=tuned.n)


def _value(metric: MetricValue) -> str:
    """A metric's value with its standard error, for example `0.712 ± 0.020`."""
    if metric.value is None:
        return "n/a"
    return f"{metric.value:.3f}" + (f" ± {metric.stderr:.3f}" if metric.stderr is not None else "")


def proven(proof: Parity) -> Iterator[str]:
    """The result of the parity proof. There is a line for the labels (the trained tokens) and a
    line for each task. Another line follows the labels if the chat template removes white space."""
    rows, checked = proof.labels.rows, proof.labels.checked
    yield Translatable(
        "parity labels: only the answer and its end of turn are trained, in {checked:,} of"
        " {rows:,} rows"
        if checked == rows
        else "parity labels: only the answer and its end of turn are trained, in {checked:,} of"
        " {rows:,} rows; the others were checked only as text",
        checked=checked,
        rows=rows,
    )
    if trimmed := proof.lengths.trimmed:
        yield (
            Translatable(
                "the model's chat template removes the white space before a turn in"
                " {trimmed:,} rows, in training and in scoring; kotune's own templates"
                " (`template`) keep it",
                trimmed=trimmed,
            )
        )
    for task, result in proof.tasks.items():
        shown = _proven(cards()[task].source, result)
        yield Translatable("parity {task}: {result}", task=task, result=shown)


def _proven(source: str, proof: TaskProof) -> str:
    """The result of one task's proof. `source`: the data source of the task."""
    if proof.status == EQUAL:
        return Translatable(
            "{items:,} prompts have equal token ids in training and scoring", items=proof.items
        )
    if proof.status == NOT_TRAINED:
        return Translatable("this prompt is not trained")
    forms = ", ".join(proof.trained)
    return Translatable(
        "NOT PROVEN: no task scores the trained prompt of {source} ({forms})",
        source=source,
        forms=forms,
    )


def prepared(manifest: Manifest, phrases: Phrases) -> Iterator[str]:
    """The lines on prepared data. They have the numbers of rows, and the data that were dropped,
    not read or rewritten. The last lines are on test data, and on tasks without test data."""
    rows = manifest.rows
    dropped = sum(sum(entry.dropped.values()) for entry in manifest.entries)
    yield (
        Translatable(
            "{train:,} training rows, {validation:,} validation rows, {dropped:,} dropped",
            train=rows.train,
            validation=rows.validation,
            dropped=dropped,
        )
    )
    for entry in manifest.entries:
        if unread := _unread(entry):
            yield Translatable("{source}: not read: {unread}", source=entry.source, unread=unread)
        for what, n in entry.rewritten.items():
            yield Translatable(
                "{source}: {done} in {n:,} rows", source=entry.source, done=DONE[what], n=n
            )
        if not entry.kept.validation:
            yield Translatable("{source}: no rows for validation", source=entry.source)
    for leak in manifest.leaks.found:
        yield Translatable(
            "{source}: {rows:,} rows repeat test data of {task} ({kind}); kept"
            if manifest.leaks.policy == "keep"
            else "{source}: {rows:,} rows repeat test data of {task} ({kind}); dropped",
            source=leak.source,
            rows=leak.rows,
            task=leak.task,
            kind=leak.kind,
        )
    yield from test_parts(manifest, phrases)
    yield from not_scored(manifest, phrases)


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


def _unread(entry: ManifestEntry) -> Translatable | None:
    """The first SHOWN keys and files of a data entry that were not read, and the number of the
    others. None if everything was read."""
    unread = [
        Translatable("{key} ({n:,} rows)", key=key, n=n) for key, n in entry.not_read.items()
    ] + entry.unread_files
    if not unread:
        return None
    shown = joined(", ", unread[:SHOWN])
    if len(unread) <= SHOWN:
        return shown
    return Translatable(
        "{shown} and {more:,} more (all: data/manifest.json)",
        shown=shown,
        more=len(unread) - SHOWN,
    )
