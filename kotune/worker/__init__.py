"""Child processes: a job of a room in a process of its own, or forked from a server, ended whenever
kotune ends. Knows no room: a job is called by the room's name."""
