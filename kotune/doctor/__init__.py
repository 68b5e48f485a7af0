"""Checks this machine and the access to the hub; each check gives one finding.
No finding shows a token."""
