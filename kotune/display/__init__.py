"""How anything is drawn: tables, pages, plots, progress, and the phrases of each language.
Knows no room of the project."""
