"""Signs of reward hacking in the rollout dumps of any verl run: `python -m groupwise.audit DUMPS`."""
