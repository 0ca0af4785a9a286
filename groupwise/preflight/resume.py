"""Whether a run would go on from a checkpoint of another method."""

from collections.abc import Iterator

from omegaconf import DictConfig

from groupwise.record.run_record import resume_fault


def find_faults(config: DictConfig) -> Iterator[str]:
    """Compares the method's keys with those of the checkpoint that the run would resume.

    Args:
        config: The composed configuration.

    Yields:
        A sentence with every key that differs.
    """
    fault = resume_fault(config)
    if fault:
        yield fault
