"""How numbers are written, on the page and in the terminal alike; shares and counts stand in groupwise/display.py."""

from groupwise.report.statistics import Difference


def accuracy(value: float, *, is_share: bool) -> str:
    """Writes a validation figure: an accuracy in percent, anything else as the number it is."""
    return f"{value * 100:.1f}%" if is_share else f"{value:.3f}"


def apart(value: float, *, is_share: bool) -> str:
    """Writes a difference of validation figures with its sign: of accuracies in points."""
    return f"{value * 100:+.1f} points" if is_share else f"{value:+.3f}"


def interval(difference: Difference, *, is_share: bool) -> str | None:
    """Writes the ends of a difference's interval; None where it has none."""
    if difference.low is None or difference.high is None:
        return None
    low, high = (f"{end * 100:.1f}" if is_share else f"{end:.3f}" for end in (difference.low, difference.high))
    return f"95% CI {low} to {high}"


def seeds(number: int) -> str:
    """Writes how many seeds."""
    return "1 seed" if number == 1 else f"{number} seeds"


def is_share(metric: str) -> bool:
    """Says whether a validation figure is an accuracy."""
    return "/acc/" in metric or "/bfcl_v3/" in metric or metric.startswith("report/validation/")


def printable(text: str) -> str:
    """Replaces what a terminal would obey or not show; names of runs and of data come from outside."""
    return "".join(character if character.isprintable() else "�" for character in text)
