"""Scores the responses of files again with the training reward: `python -m reward_score`."""
