"""Reads data files row by row: file formats, encodings, folders, the hub, digests.
Every error names the file and the row."""
