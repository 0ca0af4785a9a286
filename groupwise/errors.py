"""Errors whose message is meant for the user: one sentence, shown without a traceback."""


class GroupwiseError(RuntimeError):
    """A run cannot go on for a reason that its user can mend: what must hold, what was found, what to do."""
