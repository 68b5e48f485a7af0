"""Checks this machine and the access to the hub. Each check gives one finding. No finding shows a
token."""
