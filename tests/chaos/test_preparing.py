"""The shortest part of `make chaos`, for every run of the tests: kills while data are prepared."""

import random
from pathlib import Path

from tests.chaos.__main__ import preparing_kills
from tests.chaos.victim import Victim


def test_data_whose_preparation_was_killed_are_the_same_in_the_end(tmp_path: Path) -> None:
    whole = Victim(tmp_path / "whole")
    whole.finish("--until", "prepare")
    outcomes = list(preparing_kills(whole, tmp_path, random.Random(7), 2))
    assert len(outcomes) == 2
    assert all(outcome.survived for outcome in outcomes), outcomes
