"""The rows of JSON output."""

import math

JsonRow = dict[str, object]  # one row of the output of --json


def finite(row: JsonRow) -> JsonRow:
    """The row with None instead of NaN, which JSON does not have."""
    return {
        key: None if isinstance(value, float) and math.isnan(value) else value
        for key, value in row.items()
    }
