"""One command that trains, checkpoints, resumes and evaluates on this machine, and says what of it works and fits."""
