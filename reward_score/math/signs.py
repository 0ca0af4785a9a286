r"""Writes out what a sign `\pm` stands for."""

import re
from itertools import product

_UNARY_PLUS = re.compile(r"(^|[=(\[,{])\+")


def both_signs(text: str) -> list[str]:
    r"""Gives a canonical text with the upper and with the lower signs, or nothing without any."""
    if "\\pm" not in text and "\\mp" not in text:
        return []
    upper = re.sub(r"\\pm(?![A-Za-z]) ?", "+", re.sub(r"\\mp(?![A-Za-z]) ?", "-", text))
    lower = re.sub(r"\\pm(?![A-Za-z]) ?", "-", re.sub(r"\\mp(?![A-Za-z]) ?", "+", text))
    return [_UNARY_PLUS.sub(r"\1", upper), lower] if upper != text else []


def each_sign(text: str) -> list[str]:
    r"""Gives a canonical text with each of two or three signs `\pm` either way, or nothing where there are others."""
    first, *rest = text.split("\\pm")
    if not 2 <= len(rest) <= 3 or "\\mp" in text:
        return []
    chosen = product("+-", repeat=len(rest))
    variants = [first + "".join(sign + piece for sign, piece in zip(signs, rest, strict=True)) for signs in chosen]
    return [_UNARY_PLUS.sub(r"\1", variant) for variant in variants]
