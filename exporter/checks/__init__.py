"""The steps of `check`, each with a verdict and what to do."""
