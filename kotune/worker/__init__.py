"""Runs jobs in child processes, which end when kotune ends. This package imports no other package
of kotune, because only the child process imports the package of its job, by name."""
