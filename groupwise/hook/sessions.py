"""Agent sessions: one may leave several outputs, keyed `{uid}_{session}_{index}`.

Only the last output of a session takes part and its advantage is given to the others: verl's own rule for GRPO
(verl/trainer/ppo/v1/utils.py, compute_advantage_for_multi_trajectories).
"""

from collections.abc import Sequence

from groupwise.errors import GroupwiseError


def select_final_outputs(keys: Sequence[str], is_padding: Sequence[bool]) -> tuple[list[int], list[int]]:
    """Picks the rows of a batch of K that take part: the last output of each real session.

    Returns:
        The picked rows (B,), in the order in which their sessions first appear, and for every row (K,) the position
        among the picked ones of the response whose advantage it takes, -1 for padding.

    Raises:
        GroupwiseError: A key does not have the three parts.
    """
    final: dict[str, tuple[int, int]] = {}
    for row, (key, padding) in enumerate(zip(keys, is_padding, strict=True)):
        if padding:
            continue
        session, _, index = key.rpartition("_")
        if "_" not in session or not index.isdigit():
            raise GroupwiseError(f"A rollout's key must read uid_session_index, but is {key!r}; verl 0.9.1 is needed.")
        if session not in final or final[session][0] < int(index):
            final[session] = (int(index), row)
    position = {session: place for place, session in enumerate(final)}
    response_of_row = [
        -1 if padding else position[key.rpartition("_")[0]] for key, padding in zip(keys, is_padding, strict=True)
    ]
    return [row for _, row in final.values()], response_of_row
