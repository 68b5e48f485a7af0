"""Checks this machine and the access to the hub. Each check gives one finding. A finding never
contains a token."""
