"""The lines that a run prints: a line for each task, and reasons to doubt its training."""

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

SHOWN = 5  # of what is not read
DONE = {
    REWRITTEN: "names of special tokens made plain text (<|x|> is < |x|>)",
    ENDED: "ends of turns at the end of a text taken away",
    SPACED: "white space at the end of a text taken away",
    CONTROLS: "control characters taken away",
    EMPTY: "utterances without text left out",
    UNASKED: "turns before the first question left out",
    UNANSWERED: "last turns without an answer left out",
    OTHER_ANSWERS: "answers after the first to the same question left out",
    UNTRAINED_END: "last answers that are not to be trained left out, with their questions",
}


def doubts(
    warnings: Sequence[Doubted] | None, halvings: Sequence[Halved] | None, phrases: Phrases
) -> list[str]:
    """Why a training may be doubted, as run.json has it: warnings, and micro-batches that were made
    smaller. A sentence each."""
    facts = [warning.as_json() for warning in warnings or ()]
    facts += [{"kind": "halved", **halving.as_json()} for halving in halvings or ()]
    return [phrases.told("doubts", str(fact["kind"]), **fact) for fact in facts]


def score_lines(scores: dict[str, TaskScores]) -> list[str]:
    """A line for each task: the primary metric of base and tuned, and their difference."""
    return [_score_line(task, cards()[task].primary, entry) for task, entry in scores.items()]


def _score_line(task: str, metric: str, entry: TaskScores) -> str:
    base, tuned = entry.base[metric], entry.tuned[metric]
    values = (
        f"base {_value(base)}, tuned {_value(tuned)} ({_difference(base, tuned)}, n ="
        f" {_asked(base, tuned)})"
    )
    others = len(entry.base) - 1
    doubt = "; NOT PROVEN: not asked as it is trained" if entry.proven == NOT_PROVEN else ""
    more = f"; {others} more in the report" if others else ""
    return f"{task} {metric}: {values}{doubt}{more}"


def _difference(base: MetricValue, tuned: MetricValue) -> str:
    if base.value is None or tuned.value is None:
        return "n/a"
    return f"{tuned.value - base.value:+.3f}"


def _asked(base: MetricValue, tuned: MetricValue) -> str:
    """How many items have the metric; both numbers if base and tuned differ in that."""
    return " and ".join(f"{n:,}" for n in dict.fromkeys((base.n, tuned.n)))


def _value(metric: MetricValue) -> str:
    if metric.value is None:
        return "n/a"
    return f"{metric.value:.3f}" + (f" ± {metric.stderr:.3f}" if metric.stderr is not None else "")


def proven(proof: Parity) -> Iterator[str]:
    """The result of the proof: a line for the labels, and one for each task."""
    rows, checked = proof.labels.rows, proof.labels.checked
    rest = "" if checked == rows else "; the others were looked at as text alone"
    yield (
        f"parity labels: the answer and its end of turn alone, in {checked:,} of {rows:,}"
        f" rows{rest}"
    )
    if trimmed := proof.lengths.trimmed:
        yield (
            f"the model's chat template takes away the white space before a turn in {trimmed:,}"
            " rows, as in scoring; a `template` of ours leaves it"
        )
    for task, result in proof.tasks.items():
        yield f"parity {task}: {_proven(cards()[task].source, result)}"


def _proven(source: str, proof: TaskProof) -> str:
    if proof.status == EQUAL:
        return f"{proof.items:,} prompts equal, id by id"
    if proof.status == NOT_TRAINED:
        return "not trained on this prompt"
    return f"NOT PROVEN: no task asks {source} as it is trained ({', '.join(proof.trained)})"


def prepared(manifest: Manifest) -> Iterator[str]:
    """What became of the data: rows, and all that was dropped, not read or rewritten."""
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
            yield f"{entry.source}: none of its rows is left for validation"
    kept = "are trained on all the same" if manifest.leaks.policy == "keep" else "are left out"
    for leak in manifest.leaks.found:
        yield (
            f"{leak.source}: {leak.rows:,} rows stand in the test text of {leak.task}"
            f" ({leak.kind}) and {kept}"
        )
    yield from test_parts(manifest, Phrases(LANGUAGES[0]))
    yield from not_scored(manifest, Phrases(LANGUAGES[0]))


def test_parts(manifest: Manifest, phrases: Phrases) -> Iterator[str]:
    """How each task's test data were made: groups kept for it because there is no test part, and
    rows that are not scored, not read or rewritten. Runs of earlier versions do not record it."""
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
    """The recipe's tasks that have no test rows, with the reason."""
    for task, groups in manifest.not_scored.items():
        counts = {"groups": groups.groups, "needed": groups.needed}
        kind = "none_kept" if groups.groups is None else "few_groups"
        texts = {key: f"{count:,}" for key, count in counts.items() if count}
        yield phrases.told("not_scored", kind, task=task, **texts)


def _unread(entry: ManifestEntry) -> str:
    """The first keys and files of a data entry that were not read, and the number of the others."""
    unread = [f"{key} ({n:,} rows)" for key, n in entry.not_read.items()] + entry.unread_files
    more = (
        f" and {len(unread) - SHOWN:,} more (data/manifest.json has all)"
        if len(unread) > SHOWN
        else ""
    )
    return ", ".join(unread[:SHOWN]) + more
