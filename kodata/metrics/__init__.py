"""Functions that measure answers: metrics as sums over clusters, agreement, classifiers, a judge,
and signals of natural Korean. Both the tasks and kotune use them."""
