"""Has every verdict made in a process that can be killed, so that none outlives its deadline."""
