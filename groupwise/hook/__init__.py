"""Where verl is met: trainer mixin, estimator, reward manager, what is read of a batch."""
