"""Faults and signals of style in a Korean answer. For their reliability, see
tasks/ko_naturalness/README.md."""
