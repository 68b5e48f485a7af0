"""Which language the commands use: --lang, else the locale. The output of `--json` has none."""

import json
import re
from pathlib import Path
from string import Formatter
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kotune.cli import cli
from kotune.doctor import machine
from tests.conftest import ROOT
from tests.display.test_translation import help_texts, templates

HANGUL = re.compile("[가-힣]")
KOREAN = "ko_KR.UTF-8"


def run(*words: str, locale: str = "C.UTF-8") -> Result:
    """Run a command as with LC_ALL=`locale`."""
    return CliRunner().invoke(cli, [*words], prog_name="kotune", env={"LC_ALL": locale})


def english(output: str) -> list[str]:
    """The parts of kotune's own English texts that an output has. Parts of less than three words
    may be names."""
    parts = [
        part.strip()
        for text in templates() | help_texts()
        for part, *_ in Formatter().parse(text.replace("{path_}", ""))
        if part.count(" ") > 2
    ]
    shown = " ".join(output.split())
    return [part for part in parts if part and part in shown]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))


COMMANDS = [
    *([name, "--help"] for name in cli.commands if name != "lm_eval"),
    ["--help"],
    ["doctor"],
    ["check", "quickstart_llama"],
    ["run", "quickstart_llama", "--dry-run"],
    ["plan", "deepseek_lora", "--gpu", "t4"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_korean_locale_speaks_korean(words: list[str]) -> None:
    told = run(*words, locale=KOREAN).output
    assert HANGUL.search(told) and english(told) == []


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_any_other_locale_speaks_english(words: list[str]) -> None:
    told = run(*words).output
    assert not HANGUL.search(told)
    assert english(told) != [] or words[0] in ("run", "render", "tasks", "recipes")
    if "doctor" not in words:  # free disk space changes
        assert (
            told == run(*words, locale="fr_FR.UTF-8").output == run(*words, locale="\x01%").output
        )


@pytest.mark.parametrize("words", [["--lang", "en", "doctor"], ["doctor", "--lang", "en"]])
def test_lang_wins_over_the_locale(words: list[str]) -> None:
    assert not HANGUL.search(run(*words, locale=KOREAN).output)


@pytest.mark.parametrize("words", [["--lang", "ko", "doctor"], ["doctor", "--lang", "ko"]])
def test_lang_stands_before_or_after_the_command(words: list[str]) -> None:
    assert HANGUL.search(run(*words).output)


def test_the_nearer_lang_wins() -> None:
    assert not HANGUL.search(run("--lang", "ko", "doctor", "--lang", "en").output)


def test_an_unknown_language_is_an_error_of_usage() -> None:
    told = run("doctor", "--lang", "fr")
    assert told.exit_code == 2 and "'fr' is not one of 'en', 'ko'" in told.output


@pytest.mark.parametrize("words", [["doctor"], ["plan", "deepseek_lora", "--gpu", "t4"]])
def test_json_has_no_language(words: list[str]) -> None:
    told: dict[str, Any] = {
        locale: json.loads(run(*words, "--json", locale=locale).output)
        for locale in (KOREAN, "C.UTF-8")
    }
    assert not HANGUL.search(str(told[KOREAN]))
    assert told[KOREAN].keys() == told["C.UTF-8"].keys()


GOOD = "model: quickstart-llama\ndata:\n  - source: nli_sample\n    form: label\n"
MISTAKES = [
    (["chekc", "x"], "", "알 수 없는 명령 `chekc`입니다. 혹시 check 항목인가요?"),
    (["check", "none.yml"], "", "none.yml: 파일이 없습니다"),
    (["check", "a.yml"], GOOD + "sead: 1\n", "a.yml: sead: 알 수 없는 키입니다. 혹시 seed 항목"),
    (["check", "a.yml"], GOOD + "axolotl:\n  lora_rr: 1\n", "Axolotl에 없는 키이며 무시됩니다"),
    (["check", "a.yml"], GOOD + "axolotl:\n  num_epochs: x\n", "`x` 값은 사용할 수 없습니다"),
    (["check", "a.yml"], "data: [\n", "YAML 형식이 올바르지 않습니다"),
    (["check", "a.yml"], "data: []\n", "model: 값이 없습니다"),
    (["check", "a.yml"], GOOD + "adapter: lor\n", "알 수 없는 값입니다. 혹시 lora 항목인가요?"),
    (["check", "a.yml"], GOOD.replace("quickstart-llama", "quick"), "프리셋, 허브 ID(owner/name)"),
    (["check", "a.yml"], GOOD.replace("nli_sample", "nli"), "알 수 없는 source 값입니다"),
    (["check", "a.yml"], GOOD + "    path: nowhere\n", "`nowhere` 폴더가 없습니다"),
    (["check", "a.yml", "--set", "x"], GOOD, "--set x: key=value 형식으로 지정하세요"),
    (["run", "a.yml", "--until", "x"], GOOD, "--until x: 알 수 없는 단계입니다"),
]


@pytest.mark.parametrize(("words", "recipe", "told"), MISTAKES)
def test_the_most_usual_mistakes_are_told_in_korean(
    words: list[str], recipe: str, told: str
) -> None:
    Path("a.yml").write_text(recipe, encoding="utf-8")
    done = run(*words, locale=KOREAN)
    assert done.exit_code == 2
    assert done.output.startswith("오류: ") and told in done.output
    assert english(done.output) == []
    assert not HANGUL.search(run(*words).output)


def test_other_errors_stay_english() -> None:
    assert run("plan", "quickstart_llama", "--gpu", "gtx", locale=KOREAN).output.startswith(
        "오류: --gpu gtx: unknown GPU"
    )


def test_a_full_disk_is_told_in_korean(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", "runs/x")

    monkeypatch.setattr("kotune.doctor.examine.examine", full)
    assert run("doctor", locale=KOREAN).output.startswith("오류: runs/x: 디스크 공간이 부족합니다.")
    assert run("doctor").output.startswith("error: runs/x: No space left on device; free some")


def test_a_bad_row_is_told_in_korean() -> None:
    folder = Path("chats")
    folder.mkdir()
    (folder / "train.jsonl").write_text('{"prompt": "a", "answer": "b"}\n{"prompt"\n')
    data = "model: quickstart-llama\ndata:\n  - source: chat\n    form: chat\n    path: chats\n"
    Path("a.yml").write_text(data)
    told = run("run", "a.yml", "--device", "cpu", locale=KOREAN).output
    assert "train.jsonl: 2행: JSON 형식이 올바르지 않습니다" in told


def test_pages_quote_the_doctor_as_it_is() -> None:
    """Of the remedy for a missing GPU, in each page that has doctor's line about it."""
    finding = machine.no_gpu(False)
    expected = {finding.line(language).splitlines()[1] for language in ("en", "ko")}
    quoted = {
        match[1]
        for page in (*ROOT.glob("README*.md"), *(ROOT / "docs").glob("*.md"))
        for match in re.finditer(
            r"^(?:warning|주의) +gpu .*\n(.*)", page.read_text(encoding="utf-8"), re.MULTILINE
        )
    }
    assert quoted and quoted <= expected
