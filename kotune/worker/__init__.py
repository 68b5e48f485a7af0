"""Runs jobs in child processes, each separate or forked from a server; a child ends when kotune
ends. It imports no other room: a job is called by its room's name."""
