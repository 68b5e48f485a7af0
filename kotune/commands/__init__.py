"""Each module parses the options of one command, calls another package of kotune and prints the
result. The commands share options.py and boundary.py, which turns errors into messages and exit
codes."""
