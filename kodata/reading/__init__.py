"""Files as rows, one at a time: kinds of files, encodings, folders, the hub, digests.
Every fault names file and row."""
