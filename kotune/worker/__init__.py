"""Runs jobs in child processes, new ones or forks of a server, which end when kotune ends. This
package imports no other package of kotune: only the child imports the package of its job, by
name."""
