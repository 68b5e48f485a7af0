"""report.html and report.md: the facts of a run in plain words, rebuilt from the files of the run folder alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kotune import comparison_tables, cost_tables, data_tables
from kotune.answers import Changes, Confusion, Example, Piece, changes
from kotune.compare import Finished
from kotune.efficiency import Price
from kotune.phrases import Phrases
from kotune.run import read_json, write_text
from kotune.table import Table, escaped, markdown
from kotune.training import read_metrics
from kotune.verdict import Result


class Report:
    """What both files say, in one language."""

    def __init__(self, run: Finished, say: Phrases, price: Price | None = None) -> None:
        self.run, self.say = run, say
        self.result = Result.of([run], price)
        self.changes: list[Changes] = list(changes(run, self.result.found))
        self.logs = [
            event for event in read_metrics(run.folder / "metrics.jsonl") if {"loss", "eval_loss"} & event.keys()
        ]
        self.recipe = (run.folder / "recipe.yml").read_text(encoding="utf-8")

    @property
    def title(self) -> str:
        return self.result.names[self.run.folder]

    def criteria(self) -> list[Table]:
        return comparison_tables.criteria(self.result, self.say)

    def costs(self) -> Table:
        return cost_tables.costs(self.result, self.say)

    def confusion(self, found: Confusion) -> Table:
        """Right answers in rows, given answers in columns."""
        title = self.say("confusion", task=found.task, variant=self.say.word("variants", found.variant))
        rows = [
            (name, *(f"{count:,}" for count in counts))
            for name, counts in zip(found.choices, found.counts, strict=True)
        ]
        return Table(title, (self.say("right_answer"), *found.choices), rows, 1)

    def changed(self, found: Changes) -> str:
        """How many items a task won and lost."""
        if not found.metric:
            return self.say("changed_words", task=found.task, n=f"{found.n:,}", other=f"{found.other:,}")
        counts = {key: f"{getattr(found, key):,}" for key in ("n", "won", "lost")}
        return self.say("changed", task=found.task, metric=found.metric, **counts)

    def losses(self) -> str:
        """The first and last training loss, and the last of validation."""
        trained, validated = ([e for e in self.logs if key in e] for key in ("loss", "eval_loss"))
        if not trained:
            return self.say("no_loss")
        first, last = trained[0], trained[-1]
        text = self.say(
            "losses", first=f"{first['loss']:.4f}", at=first["step"], last=f"{last['loss']:.4f}", end=last["step"]
        )
        if not validated:
            return text
        return f"{text} " + self.say("validation_loss", last=f"{validated[-1]['eval_loss']:.4f}")

    def data(self) -> list[Table]:
        """The data card."""
        manifest = self.run.manifest
        pieces = (data_tables.labels, data_tables.dropped, data_tables.leaks)
        return [self._sources(manifest), *(piece(manifest, self.say) for piece in pieces)]

    def _sources(self, manifest: dict[str, Any]) -> Table:
        say = self.say
        rows = [
            (
                entry["source"],
                entry["form"],
                _origin(entry),
                entry["licence"],
                *(f"{n:,}" for n in entry["kept"].values()),
            )
            for entry in manifest["entries"]
        ]
        head = ("source", "form", "origin", "licence")
        notes = [say("obliges", source=entry["source"], text=entry["obliges"]) for entry in manifest["entries"]]
        sides = (say.word("side", side) for side in manifest["entries"][0]["kept"])
        return Table(say("data_title"), (*map(say, head), *sides), rows, 4, notes)

    def parity(self) -> Table:
        """The proof that the model is scored on the prompt it was trained on."""
        say, proof = self.say, read_json(self.run.folder / "parity.json")
        rows = [
            (task, say.word("parity_status", side["status"]), f"{side.get('items', 0):,}")
            for task, side in proof["tasks"].items()
        ]
        long = {key: f"{proof['lengths'][key]:,}" for key in ("rows", "longest", "too_long", "sequence_len")}
        labels = say(
            "parity_labels", n=proof["labels"]["rows"], status=say.word("parity_status", proof["labels"]["status"])
        )
        notes = [labels, say("parity_lengths", **long)]
        return Table(say("parity_title"), tuple(map(say, ("task", "prompts", "items_checked"))), rows, 2, notes)

    def machine(self) -> Table:
        """What the run was made with."""
        record, say = self.run.record, self.say
        versions = ", ".join(f"{name} {version}" for name, version in record["versions"].items() if version)
        facts = {
            "command": self.run.command, "seed": record["seed"], "limit": record["limit"] or say("all"),
            "device": f"{record['device']}, {record['machine']}", "precision": record["base_precision"],
            "model_revision": record["model_revision"] or "-", "versions": f"Python {record['python']}, {versions}",
            "code": record["code_revision"] or "-",
        }  # fmt: skip
        return Table(say("machine_title"), ("", ""), [(say(key), str(fact)) for key, fact in facts.items()], 2)


def _origin(entry: dict[str, Any]) -> str:
    """Where a source's rows come from, and what proves that they are the same."""
    place = ", ".join(str(value) for value in entry["from"].values() if value)
    return f"{place} ({', '.join(file['sha256'][:12] for file in entry['files'][:3])})"


def write(folder: Path, say: Phrases, price: Price | None = None) -> list[Path]:
    """Write both files; their paths. KotuneError where the folder is not a whole run."""
    from kotune.report_page import page

    report = Report(Finished(folder), say, price)
    paths = [folder / "report.html", folder / "report.md"]
    for path, text in zip(paths, (page(report), in_markdown(report)), strict=True):
        write_text(path, text)
    return paths


def in_markdown(report: Report) -> str:
    """The whole of report.md."""
    say = report.say
    tables = [markdown(table) for table in (*report.criteria(), report.costs(), *report.data(), report.parity())]
    parts = [
        f"# {escaped(report.title)}",
        report.run.name,
        *(f"**{escaped(verdict.text)}**" for verdict in report.result.verdicts(say)),
        *map(escaped, report.result.notes(say)),
        *tables[:4],
        escaped(say("columns_note")),
        *_changes(report),
        f"## {say('loss_title')}\n\n{report.losses()}",
        *tables[4:],
        markdown(report.machine()),
        f"```yaml\n{report.recipe}```",
    ]
    return "\n\n".join(parts) + "\n"


def _changes(report: Report) -> Iterator[str]:
    yield f"## {report.say('changes_title')}"
    for found in report.changes:
        yield escaped(report.changed(found))
        for confusion in found.confusions:
            yield f"#{markdown(report.confusion(confusion))}"
        for example in found.examples:
            yield _example(example, report.say)


def _example(example: Example, say: Phrases) -> str:
    outcome = say(example.outcome, guid=example.guid)
    answers = (("right_answer", [(example.gold, False)]), ("before", example.base), ("after", example.tuned))
    lines = [f"> {escaped(example.question)}", "", *(f"- {say(key)}: {_marked(pieces)}" for key, pieces in answers)]
    return "\n".join([f"### {escaped(outcome)}", "", *lines])


def _marked(pieces: list[Piece]) -> str:
    return " ".join(f"**{escaped(text)}**" if mark and text.strip() else escaped(text) for text, mark in pieces)


def score_lines(scores: dict[str, Any]) -> list[str]:
    """One line a task and metric, for the screen of a run: base, tuned and the difference."""
    return [
        f"{task} {name}: base {_value(base)}, tuned {_value(entry['tuned'][name])} "
        f"({_difference(base, entry['tuned'][name])}, n = {entry['n']:,})"
        for task, entry in scores.items()
        for name, base in entry["base"].items()
    ]


def _difference(base: dict[str, float | None], tuned: dict[str, float | None]) -> str:
    if base["value"] is None or tuned["value"] is None:
        return "n/a"
    return f"{tuned['value'] - base['value']:+.3f}"


def _value(metric: dict[str, float | None]) -> str:
    value, stderr = metric["value"], metric["stderr"]
    if value is None:
        return "n/a"
    return f"{value:.3f}" + (f" ± {stderr:.3f}" if stderr is not None else "")
