"""The optional syntax `python`: `[module.f(a=1), g()]`, as BFCL's prompt asks for it and as BFCL's decoder reads it.

The text is parsed by `ast`, never run: BFCL's decoder (bfcl_eval/model_handler/utils.py,
`default_decode_ast_prompting`) evaluates operators in arguments, and with them whatever code a model writes there. Here
a value is a constant, a number with a sign, a list, a tuple, a dict with text keys, a name, a subscript or a call
without named arguments (their text), a call with some (a dict), or arithmetic on numbers. Read as BFCL does, though it
looks odd: brackets and single quotes around all of it may be missing or too many, and an argument without a name is
dropped. Read otherwise: `+5` is 5, where BFCL makes -5 of it; line breaks and indentation between calls, and the
language of a fence, do no harm.
"""

import ast
import math
import re
from collections.abc import Callable
from typing import Final, cast

from reward_score.tool_calls.json import MAX_CALLS, Call, Found, UnreadableError

MAX_PYTHON_CHARS: Final = 20_000
MAX_PYTHON_NESTING: Final = 32
MAX_SIGNS: Final = 8
MAX_INT_BITS: Final = 4096
"""Keeps a number short enough to be printed: Python refuses more than 4,300 digits."""

_AROUND: Final = "[]'"
"""What BFCL's decoder takes off both ends."""

_BEHIND_CALL: Final = " \t\r;,.`'\"*]}"

_START = re.compile(r"\s*[\"'(]?[^\W\d][\w.]*\s*\(")
# What tells a call that cannot be parsed from prose such as `Note(s): ...` or `f(2) = 4`.
_NAMED_ARGUMENT = re.compile(r"\s*[\"']?[^\W\d][\w.]*\s*\(\s*(?:\w+\s*=(?!=)|[{\"'])")
_LANGUAGE = re.compile(r"(?:python3?|py|tool_code|tool_call|json)\b\s*")
# An unfinished string runs to the end, so that no position is looked at twice.
_STRING = re.compile(
    r"'''(?:[^'\\]|\\.|'(?!''))*(?:''')?|\"\"\"(?:[^\"\\]|\\.|\"(?!\"\"))*(?:\"\"\")?"
    r"|'(?:[^'\\\n]|\\.)*['\n]?|\"(?:[^\"\\\n]|\\.)*[\"\n]?",
    re.DOTALL,
)
_SIGNS = re.compile(rf"(?:[-+~]\s*|not\s+){{{MAX_SIGNS}}}")

_OPERATORS: Final[dict[type[ast.operator], Callable[[float, float], object]]] = {
    ast.Add: lambda left, right: left + right,
    ast.Sub: lambda left, right: left - right,
    ast.Mult: lambda left, right: left * right,
    ast.Div: lambda left, right: left / right,
    ast.FloorDiv: lambda left, right: left // right,
    ast.Mod: lambda left, right: left % right,
    ast.Pow: lambda left, right: cast("object", left**right),
}
_MAX_OPERAND = 10**18
_MAX_EXPONENT = 64


def read_python(answer: str) -> Found | None:
    """Reads Python calls that are the whole answer, bare or in a ``` fence.

    None if the answer does not begin like a call or a list of calls; an empty list is none. Raises UnreadableError if
    it does but is anything else.
    """
    text = _without_fence(answer)
    calls = text.strip(_AROUND)
    if not _START.match(calls):
        return None
    try:
        return Found(_read_calls(calls), ("",))
    except UnreadableError:
        if text.startswith("[") or (_NAMED_ARGUMENT.match(calls) and not ends_in_prose(calls.partition("\n")[0])):
            raise
        return None


def ends_in_prose(line: str) -> bool:
    """Says whether words follow the last closing bracket of a line; a call may go on in the next one."""
    end = line.rfind(")")
    return end > line.rfind("(") and bool(line[end + 1 :].strip(_BEHIND_CALL))


def _without_fence(answer: str) -> str:
    text = answer.strip()
    if text.endswith("`"):
        text = text.rstrip("`").rstrip()
    if not text.startswith("`"):
        return text
    text = text.lstrip("`").lstrip()
    language = _LANGUAGE.match(text)
    return text[language.end() :] if language else text


def _read_calls(text: str) -> list[Call]:
    _refuse_expensive(text)
    try:
        body = ast.parse(f"[{text}\n]", mode="eval").body
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        raise UnreadableError("no Python list of calls") from None
    elements = body.elts if isinstance(body, ast.List) else []
    if len(elements) == 1 and isinstance(elements[0], ast.List | ast.Tuple):
        elements = elements[0].elts
    if not 0 < len(elements) <= MAX_CALLS:
        raise UnreadableError(f"no Python list of at most {MAX_CALLS} calls")
    return [_read_call(element, MAX_PYTHON_NESTING) for element in elements]


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


def _read_call(node: ast.expr, levels: int) -> Call:
    if not isinstance(node, ast.Call):
        raise UnreadableError("not a call in the list")
    arguments: dict[str, object] = {}
    for keyword in node.keywords:
        if keyword.arg is None or keyword.arg in arguments:
            raise UnreadableError("arguments without names, or one that stands twice")
        arguments[keyword.arg] = _read_value(keyword.value, levels)
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
    if isinstance(node, ast.List):
        return [_read_value(item, levels - 1) for item in node.elts]
    if isinstance(node, ast.Tuple):
        return tuple(_read_value(item, levels - 1) for item in node.elts)
    if isinstance(node, ast.Dict):
        return _read_dict(node, levels)
    if isinstance(node, ast.Call) and node.keywords:
        name, arguments = _read_call(node, levels - 1)
        return {name: arguments}
    if isinstance(node, ast.Name | ast.Call | ast.Subscript):
        return _read_text(node)
    return _read_number(node, levels)


def _read_constant(value: object) -> object:
    if value is ...:
        return "..."
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


def _read_text(node: ast.Name | ast.Call | ast.Subscript) -> str:
    try:
        return node.id if isinstance(node, ast.Name) else ast.unparse(node)
    except (RecursionError, ValueError):  # a number with too many digits is a ValueError
        raise UnreadableError("nested too deeply") from None


def _read_number(node: ast.expr, levels: int) -> object:
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        number = _number(_read_value(node.operand, levels - 1))
        return -number if isinstance(node.op, ast.USub) else number
    compute = _OPERATORS.get(type(node.op)) if isinstance(node, ast.BinOp) else None
    if compute is None or not isinstance(node, ast.BinOp):
        raise UnreadableError(f"a value that is computed: {type(node).__name__}")
    left, right = (_number(_read_value(side, levels - 1)) for side in (node.left, node.right))
    too_high = isinstance(node.op, ast.Pow) and abs(right) > _MAX_EXPONENT
    if too_high or max(abs(left), abs(right)) > _MAX_OPERAND:
        raise UnreadableError("a computation that is too large")
    try:
        return _number(_read_constant(compute(left, right)))
    except (ArithmeticError, UnreadableError):  # a power may be complex, or too large
        raise UnreadableError("a computation without a number for its value") from None


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnreadableError("a sign or an operator on what is no number")
    return value
