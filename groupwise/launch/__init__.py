"""What surrounds a run: nodes, leftovers of killed runs, checkpoints, a watch over dead processes."""
