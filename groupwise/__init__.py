"""Group-relative RL methods on an unmodified verl: the framework, without a method of its own."""
