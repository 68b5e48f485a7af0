"""What this machine lacks: one finding a check, of the machine and of the hub.
No finding shows a token."""
