"""report.md: the facts of a run in plain words, rebuilt from the files of the run folder alone."""

from typing import Any

from kotune.run import Run, read_json
from kotune.training import read_metrics


def markdown(run: Run) -> str:
    """The whole report as Markdown."""
    record = run.record()
    parts = [
        f"# {run.root.name}",
        _what(record, run),
        "## Scores",
        _scores(read_json(run.path("scores.json"))),
        "One run with one seed: this supports a statement about this adapter, not about the model. "
        "± is a standard error: items of one premise, passage or dialogue are resampled together.",
        "## Training",
        _training(read_metrics(run.path("metrics.jsonl"))),
        "## Data",
        _data(read_json(run.path("data", "manifest.json"))),
        "## Prompt parity",
        _parity(read_json(run.path("parity.json"))),
        "## Reproduce",
        _reproduce(record),
    ]
    return "\n\n".join(parts) + "\n"


def score_lines(scores: dict[str, Any]) -> list[str]:
    """One line a task and metric: base, tuned and the difference."""
    return [
        f"{task} {name}: base {_value(base)}, tuned {_value(entry['tuned'][name])} "
        f"({_difference(base, entry['tuned'][name])}, n = {entry['n']:,})"
        for task, entry in scores.items()
        for name, base in entry["base"].items()
    ]


def _what(record: dict[str, Any], run: Run) -> str:
    config = run.path("recipe.yml").read_text(encoding="utf-8")
    facts = (
        f"Base weights in {record['base_precision']}, {record['trainable_parameters']:,} trainable parameters, "
        f"seed {record['seed']}, on {record['device']}."
    )
    return f"```yaml\n{config}```\n\n{facts}"


def _scores(scores: dict[str, Any]) -> str:
    rows = ["| task | metric | base | tuned | difference | chance | n |", "|---|---|---|---|---|---|---|"]
    for task, entry in scores.items():
        for name, base in entry["base"].items():
            tuned = entry["tuned"][name]
            chance = f"{entry['chance'][name]:.3f}" if name in entry["chance"] else ""
            difference = _difference(base, tuned)
            rows.append(
                f"| {task} | {name} | {_value(base)} | {_value(tuned)} | {difference} | {chance} | {entry['n']} |"
            )
    return "\n".join(rows)


def _difference(base: dict[str, float | None], tuned: dict[str, float | None]) -> str:
    if base["value"] is None or tuned["value"] is None:
        return "n/a"
    return f"{tuned['value'] - base['value']:+.3f}"


def _value(metric: dict[str, float | None]) -> str:
    value, stderr = metric["value"], metric["stderr"]
    if value is None:
        return "n/a"
    return f"{value:.3f}" + (f" ± {stderr:.3f}" if stderr is not None else "")


def _training(events: list[dict[str, Any]]) -> str:
    logs = [event for event in events if "loss" in event]
    if not logs:
        return "No step was logged."
    speeds = sorted(event["tokens_per_second"] for event in logs)
    peak = max(event["peak_memory_gib"] for event in logs)
    losses = [f"{event['loss']:.4f} at step {event['step']}" for event in (logs[0], logs[-1])]
    validation = [f"{event['eval_loss']:.4f}" for event in events if "eval_loss" in event]
    lines = [
        f"- Loss {losses[0]}, {losses[1]}.",
        f"- Median {speeds[len(speeds) // 2]:,.0f} tokens/s over logging intervals, peak memory {peak:.2f} GiB.",
    ]
    if validation:
        lines.append(f"- Validation loss, an evaluation each: {', '.join(validation)}.")
    return "\n".join(lines)


def _data(manifest: dict[str, Any]) -> str:
    rows = ["| source | form | train | validation | dropped | licence |", "|---|---|---|---|---|---|"]
    for entry in manifest["entries"]:
        dropped = ", ".join(f"{n} {reason}" for reason, n in entry["dropped"].items()) or "0"
        kept = entry["kept"]
        rows.append(
            f"| {entry['source']} | {entry['form']} | {kept['train']:,} | {kept['validation']:,} | {dropped} "
            f"| {entry['licence']} |"
        )
    return "\n".join([*rows, "", *_leaks(manifest["leaks"])])


def _leaks(leaks: dict[str, Any]) -> list[str]:
    """What of the training text stands in test text, and what became of it."""
    became = {"drop": "left out of training", "keep": "**trained on: scores of these tasks are too good**"}
    lines = [
        f"- {leak['rows']:,} rows ({leak['texts']:,} texts) of {leak['source']} stand in {leak['task']}'s test text "
        f"({leak['kind']}): {became[leaks['policy']]}."
        for leak in leaks["found"]
    ]
    lines = lines or ["- No training text stands in the test text of a scored task."]
    return lines + [
        f"- Note: {shared['texts']:,} texts of {shared['source']}'s own test split stand in {shared['task']}'s."
        for shared in leaks["between_tests"]
    ]


def _parity(proof: dict[str, Any]) -> str:
    long = proof["lengths"]
    lines = [
        f"- Labels of {proof['labels']['rows']} rows: {proof['labels']['status']}.",
        f"- The longest of {long['rows']:,} examples has {long['longest']:,} tokens; {long['too_long']:,} have more than "
        f"sequence_len {long['sequence_len']:,}.",
    ]
    for task, side in proof["tasks"].items():
        items = f" on {side['items']} items, token id by token id" if "items" in side else ""
        lines.append(f"- {task}: {side['status']}{items}.")
    return "\n".join(lines)


def _reproduce(record: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items() if version)
    return f"```\n{record['command']}\n```\n\nPython {record['python']}; {versions}; code {record['code_revision']}."
