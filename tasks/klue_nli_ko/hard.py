"""Writes hard_guids.txt, the items behind acc_hard: python -m kotune_tasks.klue_nli_ko.hard
[FOLDER]

These are the items of KLUE-NLI's dev file that a hypothesis-only classifier, trained on the
official train file, gets wrong. So their labels cannot be guessed from a word in the hypothesis
such as 않. FOLDER is a local copy; without it, the hub is read. The same version of scikit-learn
gives the same file; another version may differ in items near the decision boundary."""

import sys
from importlib.metadata import version
from pathlib import Path

from kodata import klue_nli
from kodata.control_text import records_of
from kodata.errors import DataError
from kodata.metrics.classifiers import Classifier

FILE = Path(__file__).with_name("hard_guids.txt")


def rendered(path: str | None) -> str:
    """The text of the file: a header that describes how the file was made, then one guid per line.
    Raises DataError if KLUE-NLI cannot be read."""
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


def main(words: list[str]) -> int:
    if len(words) > 1:
        print("usage: python -m kotune_tasks.klue_nli_ko.hard [FOLDER]", file=sys.stderr)
        return 2
    try:
        text = rendered(words[0] if words else None)
        FILE.write_text(text, encoding="utf-8")
    except (OSError, DataError) as error:
        print(f"kotune_tasks.klue_nli_ko.hard: {error}", file=sys.stderr)
        return 1
    print(text.splitlines()[2].removeprefix("# "))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
