"""Log-likelihoods of choices, for which a model reads once what questions have in common."""
