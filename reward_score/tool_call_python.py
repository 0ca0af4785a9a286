"""The optional syntax `python`: `[module.f(a=1), g()]`, as BFCL's prompt asks for it.

The text is parsed by `ast`, never run: BFCL's own decoder evaluates operators in arguments, and with them whatever code
a model writes there. Here a value is a constant, a number with a minus, a list, a tuple, a dict with text keys, a name
(its text), or `+ - * /` on numbers.
"""

import ast
import math
import re
from collections.abc import Callable
from typing import Final, cast

from reward_score.tool_call_json import MAX_CALLS, Call, UnreadableError
from reward_score.tool_call_syntax import Found

MAX_PYTHON_CHARS: Final = 20_000
MAX_PYTHON_NESTING: Final = 32
MAX_SIGNS: Final = 8
MAX_INT_BITS: Final = 4096
"""Keeps a number short enough to be printed: Python refuses more than 4,300 digits."""

_START = re.compile(r"\[\s*[^\W\d][\w.]*\s*\(")
_FENCE = re.compile(r"```(?:python|tool_code)?")
# An unfinished string runs to the end, so that no position is looked at twice.
_STRING = re.compile(
    r"'''(?:[^'\\]|\\.|'(?!''))*(?:''')?|\"\"\"(?:[^\"\\]|\\.|\"(?!\"\"))*(?:\"\"\")?"
    r"|'(?:[^'\\\n]|\\.)*['\n]?|\"(?:[^\"\\\n]|\\.)*[\"\n]?",
    re.DOTALL,
)
_SIGNS = re.compile(rf"(?:[-+~]\s*|not\s+){{{MAX_SIGNS}}}")

_OPERATORS: Final[dict[type[ast.operator], Callable[[float, float], float]]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
}
_MAX_OPERAND = 10**18


def read_python(answer: str) -> Found | None:
    """Reads a list of Python calls with keyword arguments that is the whole answer, bare or in a ``` fence.

    Args:
        answer: What follows the thinking.

    Returns:
        The calls, or None if the answer does not begin like such a list. An empty list is none.

    Raises:
        UnreadableError: If it does but is anything else.
    """
    text = answer.strip()
    fence = _FENCE.match(text)
    if fence and text.endswith("```") and text.count("```") == 2:
        text = text[fence.end() : -3].strip()
    if not _START.match(text):
        return None
    _refuse_expensive(text)
    try:
        body = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise UnreadableError("no Python list of calls") from None
    if not isinstance(body, ast.List) or len(body.elts) > MAX_CALLS:
        raise UnreadableError(f"no Python list of at most {MAX_CALLS} calls")
    return Found([_read_call(element) for element in body.elts], ("",))


def _refuse_expensive(text: str) -> None:
    if len(text) > MAX_PYTHON_CHARS:
        raise UnreadableError(f"more than {MAX_PYTHON_CHARS} characters of Python")
    code = _STRING.sub('""', text)
    depth = 0
    for bracket in re.findall(r"[\[({\])}]", code):
        depth += 1 if bracket in "[({" else -1
        if depth > MAX_PYTHON_NESTING:
            raise UnreadableError("nested too deeply")
    if _SIGNS.search(code):
        raise UnreadableError("too many signs in a row")


def _read_call(node: ast.expr) -> Call:
    if not isinstance(node, ast.Call):
        raise UnreadableError("not a call in the list")
    if node.args:
        raise UnreadableError("an argument without a name")
    arguments: dict[str, object] = {}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg in arguments:
            raise UnreadableError("an argument without a name, or one that stands twice")
        arguments[keyword.arg] = _read_value(keyword.value, MAX_PYTHON_NESTING)
    return Call(_read_name(node.func), arguments)


def _read_name(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        raise UnreadableError("a function without a plain name")
    return ".".join([node.id, *reversed(parts)])


def _read_value(node: ast.expr, levels: int) -> object:
    if levels == 0:
        raise UnreadableError("nested too deeply")
    if isinstance(node, ast.Constant):
        return _read_constant(cast("object", node.value))
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.List):
        return [_read_value(item, levels - 1) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_read_value(item, levels - 1) for item in node.elts)
    if isinstance(node, ast.Dict):
        return _read_dict(node, levels)
    return _read_number(node, levels)


def _read_constant(value: object) -> object:
    readable = value is None or isinstance(value, str | bool | int | float)
    if not readable or (isinstance(value, float) and not math.isfinite(value)):
        raise UnreadableError("a value that is no text, number, boolean or None")
    if isinstance(value, int) and value.bit_length() > MAX_INT_BITS:
        raise UnreadableError("a number with too many digits")
    return value


def _read_dict(node: ast.Dict, levels: int) -> dict[str, object]:
    fields: dict[str, object] = {}
    for key_node, value_node in zip(node.keys, node.values, strict=True):
        key = None if key_node is None else _read_value(key_node, levels - 1)
        if not isinstance(key, str) or key in fields:
            raise UnreadableError("a dict key that is no text, or stands twice")
        fields[key] = _read_value(value_node, levels - 1)
    return fields


def _read_number(node: ast.expr, levels: int) -> float:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_number(_read_value(node.operand, levels - 1))
    compute = _OPERATORS.get(type(node.op)) if isinstance(node, ast.BinOp) else None
    if compute is None or not isinstance(node, ast.BinOp):
        raise UnreadableError(f"a value that is computed: {type(node).__name__}")
    left, right = (_number(_read_value(side, levels - 1)) for side in (node.left, node.right))
    if max(abs(left), abs(right)) > _MAX_OPERAND or (right == 0 and isinstance(node.op, ast.Div)):
        raise UnreadableError("a computation that is too large")
    return compute(left, right)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnreadableError("a sign or an operator on what is no number")
    return value
