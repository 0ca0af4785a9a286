"""DiPO (Disentangled Perplexity Policy Optimization, arXiv 2604.13902) as a recipe for an unmodified verl."""
