"""Measures of answers: metrics as sums over clusters, agreement, classifiers and a judge, signals
of natural Korean. The tasks and kotune use them alike."""
