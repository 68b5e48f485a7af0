"""Writes hard_guids.txt, the list of the items that the metric acc_hard counts. Usage:

    python -m kotune_tasks.klue_nli_ko.hard [FOLDER]

FOLDER is a local copy of KLUE-NLI. Without it, the hub is read.

Hard items are those of KLUE-NLI's dev file that a classifier gets wrong. The classifier is trained
on the official train file and sees the hypothesis only. So the labels of hard items cannot be
guessed from words in the hypothesis, such as 않. With another version of scikit-learn, the
classifier may decide differently in close cases, so the list may differ."""

import sys
from importlib.metadata import version
from pathlib import Path

from kodata import klue_nli
from kodata.control_text import records_of
from kodata.errors import DataError
from kodata.metrics.classifiers import Classifier

FILE = Path(__file__).with_name("hard_guids.txt")


def rendered(path: str | None) -> str:
    """The text of hard_guids.txt: a header that describes how the file was made, then one guid per
    line. `path` is a folder with KLUE-NLI; None means the hub. Raises DataError if KLUE-NLI cannot
    be read."""
    test = list(records_of(klue_nli.read("test", path)))
    classifier = Classifier(records_of(klue_nli.read("train", path)), "hypothesis_only")
    predictions = zip(test, classifier.predict(test), strict=True)
    wrong = [record["guid"] for record, label in predictions if label != record["label"]]
    header = (
        "# Items of KLUE-NLI v1.1's dev file (Park et al. 2021, CC BY-SA 4.0) that a"
        " classifier of the hypothesis alone\n"
        "# gets wrong. Written by: python -m kotune_tasks.klue_nli_ko.hard\n"
        f"# scikit-learn {version('scikit-learn')}, accuracy"
        f" {1 - len(wrong) / len(test):.4f}, {len(wrong):,} of {len(test):,} items.\n"
    )
    return header + "".join(f"{guid}\n" for guid in wrong)


def main(arguments: list[str]) -> int:
    """Write hard_guids.txt and print how many items are hard. Returns the exit code: 2 for too many
    arguments, 1 for an error, else 0."""
    if len(arguments) > 1:
        print("usage: python -m kotune_tasks.klue_nli_ko.hard [FOLDER]", file=sys.stderr)
        return 2
    try:
        text = rendered(arguments[0] if arguments else None)
        FILE.write_text(text, encoding="utf-8")
    except (OSError, DataError) as error:
        print(f"kotune_tasks.klue_nli_ko.hard: {error}", file=sys.stderr)
        return 1
    print(text.splitlines()[2].removeprefix("# "))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
