"""Draws tables, pages, plots and progress, and holds the phrases of each language. It imports no
other package of kotune."""
