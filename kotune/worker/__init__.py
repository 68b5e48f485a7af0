"""Runs jobs in child processes. A child is a new process or a fork of a server. A child ends when
kotune ends. This package imports no other package of kotune. Each job is in another package, which
only the child imports, by the package's name."""
