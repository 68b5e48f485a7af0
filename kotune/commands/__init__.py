"""The commands, one file each: parse, call one function of a room, print.
What they share: options, and the boundary where an error becomes one message and an exit code.
"""
