"""A validation without the responses that could not be judged.

verl averages whatever it is given, and takes a response that is missing for a wrong one: `expected_acc_counts` says how
many there should be of each prompt. Both are therefore told that an unjudged response is not to be expected, and the
metrics `val-aux/reward/...` tell what share of the responses that is.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from recipe.dipo.verdicts import REWARD_ERROR_KEY, Failure, failure_of


class Validation(NamedTuple):
    """What verl passes to `_val_metrics_update`; B responses.

    Attributes:
        data_sources: (B,) of each response.
        sample_uids: (B,) the prompt of each response.
        infos: By name, (B,) values; None where a response lacks one.
        expected_acc_counts: How many responses are expected, by data source and prompt.
    """

    data_sources: list[str]
    sample_uids: list[str]
    infos: dict[str, list[Any]]
    expected_acc_counts: dict[tuple[str, str], int] | None


def find_failures(infos: Mapping[str, Sequence[Any]], responses: int) -> dict[int, Failure]:
    """Finds the responses of a validation that could not be judged.

    Args:
        infos: By name, a value for each response; None where it lacks one.
        responses: How many responses there are.

    Returns:
        The failures, by the place of their response.

    Raises:
        DiPOError: No verifier is known for a data source.
    """
    named = {key: infos[key] for key in ("reason", REWARD_ERROR_KEY) if key in infos}
    found = {place: failure_of({key: values[place] for key, values in named.items()}) for place in range(responses)}
    return {place: failure for place, failure in found.items() if failure is not None}


def without(validation: Validation, places: Sequence[int]) -> Validation:
    """Leaves responses out of a validation.

    Args:
        validation: All of it.
        places: Which responses to leave out.

    Returns:
        The others, in order. A prompt of which none is expected any more is expected no more.
    """
    dropped = set(places)
    kept = [place for place in range(len(validation.data_sources)) if place not in dropped]
    # verl forms its keys with str.
    fewer = Counter((str(validation.data_sources[place]), str(validation.sample_uids[place])) for place in dropped)
    expected = validation.expected_acc_counts
    return Validation(
        data_sources=[validation.data_sources[place] for place in kept],
        sample_uids=[validation.sample_uids[place] for place in kept],
        infos={key: [values[place] for place in kept] for key, values in validation.infos.items()},
        expected_acc_counts=expected
        and {prompt: count - fewer[prompt] for prompt, count in expected.items() if count > fewer[prompt]},
    )
