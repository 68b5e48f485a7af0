"""Checks this machine and the access to the hub. Each check gives one finding, which never contains
a token."""
