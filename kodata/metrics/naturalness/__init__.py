"""Measures faults and signals of style in a Korean answer. For the reliability of each measure, see
tasks/ko_naturalness/README.md."""
