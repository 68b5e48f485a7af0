"""One recipe or several and what varies over them: every combination is an ordinary run.
The results are told together, with learning curves and the next step."""
