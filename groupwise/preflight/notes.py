"""What a check says without stopping the run."""


class Note(str):
    """A sentence that a check yields where the run may start all the same: it is told, and stops nothing.

    For what is only estimated, and for what is allowed but seldom meant.
    """

    __slots__ = ()
