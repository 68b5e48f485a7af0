"""Writes the tables of tasks/ko_naturalness/README.md: what its signals and checks are worth.

    python -m benchmarks.naturalness

The tables over our own texts are made anywhere, those over real text where ../shared/data exists.
"""

import re
from pathlib import Path

from benchmarks.naturalness_checks import check_table, script_kinds
from benchmarks.naturalness_real import false_alarms, separability_table, spread_lines
from benchmarks.naturalness_signals import damage_table, fault_table, pair_table

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "data"
PAGE = ROOT / "tasks" / "ko_naturalness" / "README.md"


def blocks(real: Path | None) -> dict[str, list[str]]:
    """The generated parts of the page by name; those over real text only if `real` is given."""
    own = {
        "pairs": [*pair_table()],
        "damage": [*damage_table()],
        "faults": [*fault_table()],
        "checks": [*check_table()],
        "scripts": [*script_kinds()],
    }
    return own | (
        {
            "separability": [*separability_table(real)],
            "alarms": [*false_alarms(real)],
            "spread": [*spread_lines(real)],
        }
        if real
        else {}
    )


def filled(page: str, generated: dict[str, list[str]]) -> str:
    """The page with its generated parts replaced: each stands between <!-- name --> and <!-- end
    -->."""
    for name, lines in generated.items():
        pattern = rf"(<!-- {name} -->\n).*?(<!-- end -->)"
        body = "\n".join(lines)
        parts = re.split(pattern, page, flags=re.S)
        assert len(parts) == 4, f"{PAGE}: no place for {name}"
        before, begin, end, after = parts
        page = f"{before}{begin}\n{body}\n\n{end}{after}"
    return page


if __name__ == "__main__":
    made = blocks(REAL if REAL.is_dir() else None)
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8"), made), encoding="utf-8")
    print("\n\n".join("\n".join(lines) for lines in made.values()))
