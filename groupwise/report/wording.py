"""How numbers are written, on the page and in the terminal alike."""

from groupwise.report.statistics import Difference

NONE = "not logged"


def percent(share: float) -> str:
    """Writes a share in [0, 1] in percent, with a decimal near both ends; what is not 0 or 1 never reads so."""
    shown = share * 100
    if 0 < shown < 0.05:
        return "under 0.1%"
    if 99.95 <= shown < 100:
        return "over 99.9%"
    digits = 0 if shown in (0, 100) or 10 <= shown <= 90 else 1
    return f"{shown:.{digits}f}%"


def accuracy(value: float, *, is_share: bool) -> str:
    """Writes a validation figure: an accuracy in percent, anything else as the number it is."""
    return f"{value * 100:.1f}%" if is_share else f"{value:.3f}"


def apart(value: float, *, is_share: bool) -> str:
    """Writes a difference of validation figures with its sign: of accuracies in points."""
    return f"{value * 100:+.1f}" if is_share else f"{value:+.3f}"


def interval(difference: Difference, *, is_share: bool) -> str:
    """Writes a difference with its interval, as far as it has one."""
    unit = " points" if is_share else ""
    value = f"{apart(difference.value, is_share=is_share)}{unit}"
    if difference.low is None or difference.high is None:
        return f"{value}, no interval (one seed)"
    ends = f"{apart(difference.low, is_share=is_share)} to {apart(difference.high, is_share=is_share)}"
    return f"{value} ({ends})"


def count(number: float) -> str:
    """Writes a count: whole, or with a decimal where it is a mean over seeds."""
    return f"{number:,.0f}" if float(number).is_integer() or number >= 100 else f"{number:.1f}"


def seeds(number: int) -> str:
    """Writes how many seeds."""
    return "1 seed" if number == 1 else f"{number} seeds"


def is_share(metric: str) -> bool:
    """Says whether a validation figure is an accuracy."""
    return "/acc/" in metric or "/bfcl_v3/" in metric or metric.startswith("report/validation/")
