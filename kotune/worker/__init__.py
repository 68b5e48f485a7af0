"""Runs jobs in child processes: each in a separate process, or forked from a server. A child ends
when kotune ends. This package imports no other room: a job is called by its room's name."""
