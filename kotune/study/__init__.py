"""Studies: one recipe or several, and what varies over them; every combination is an ordinary run."""
