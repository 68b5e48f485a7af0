"""Runs jobs in child processes. A child is a new process or a fork of a server, and it ends when
kotune ends. It imports no other package of kotune, because it calls a job by its package's name."""
