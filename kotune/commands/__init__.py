"""The commands, one file each: parse options, call one function of a room, print the result. They
share options and a boundary that turns an error into one message and an exit code."""
