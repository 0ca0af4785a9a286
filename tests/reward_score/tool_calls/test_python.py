"""The optional syntax of Python calls: literals are read as BFCL's decoder reads them, and nothing is run."""

import ast
import contextlib
import time

import pytest

from reward_score.tool_calls import python
from reward_score.tool_calls.json import Call, UnreadableError
from reward_score.tool_calls.python import read_python

# Read as BFCL's decoder reads them.
AS_BFCL = [
    ("[f(a=1)]", [Call("f", {"a": 1})]),
    ("[m.n.f( a = 1 ), g()]\n", [Call("m.n.f", {"a": 1}), Call("g", {})]),
    ("```[f(a=1)]```", [Call("f", {"a": 1})]),
    ("[f(a='x]; (y', b=\"it's\", c='''z\n''')]", [Call("f", {"a": "x]; (y", "b": "it's", "c": "z\n"})]),
    ("[f(a=True, b=None, c=-1.5)]", [Call("f", {"a": True, "b": None, "c": -1.5})]),
    ("[f(a=[[2]], b=(1,), c={'x': {'y': 1}})]", [Call("f", {"a": [[2]], "b": (1,), "c": {"x": {"y": 1}}})]),
    ("[f(a=true, b=[x], c={x: 1})]", [Call("f", {"a": "true", "b": ["x"], "c": {"x": 1}})]),
    ("[f(a=2*3+1, b=1/4, c=10-20)]", [Call("f", {"a": 7, "b": 0.25, "c": -10})]),
    ("[f(a=5*10**(-12), b=2**10, c=7//2, d=7%4)]", [Call("f", {"a": 5 * 10 ** (-12), "b": 1024, "c": 3, "d": 3})]),
    ("[f(a='--------------------')]", [Call("f", {"a": "-" * 20})]),
    ("[f(a='" + "(" * 99 + "')]", [Call("f", {"a": "(" * 99})]),
    ("[f(a=...)]", [Call("f", {"a": "..."})]),
    ("[f(a='x' 'y')]", [Call("f", {"a": "xy"})]),
    # Brackets and quotes around all of it may be missing or too many.
    ("f(a=1)", [Call("f", {"a": 1})]),
    ("f(a=1), g()", [Call("f", {"a": 1}), Call("g", {})]),
    ("f(a=[1, 2])", [Call("f", {"a": [1, 2]})]),
    ("[f(a=1)", [Call("f", {"a": 1})]),
    ("f(a=1)]", [Call("f", {"a": 1})]),
    ("[f(a=1)]]", [Call("f", {"a": 1})]),
    ("[[f(a=1), g()]]", [Call("f", {"a": 1}), Call("g", {})]),
    ("['f(a=1)']", [Call("f", {"a": 1})]),
    ("(f(a=1), g())", [Call("f", {"a": 1}), Call("g", {})]),
    ("[f(a=1),]", [Call("f", {"a": 1})]),
    ("f(a=1)  # done", [Call("f", {"a": 1})]),
    ("[f(a=1)]\n```", [Call("f", {"a": 1})]),
    # An argument without a name is dropped.
    ("[f({})]", [Call("f", {})]),
    ("[f({'a': 1})]", [Call("f", {})]),
    ("[f(1, b=2)]", [Call("f", {"b": 2})]),
    ("[f(a=1, *b)]", [Call("f", {"a": 1})]),
    # What stands for a value that the model does not have.
    ("[f(a=data['sales'], b=x.y[0])]", [Call("f", {"a": "data['sales']", "b": "x.y[0]"})]),
    ("[f(a=g(), b=g(1, 'x').h())]", [Call("f", {"a": "g()", "b": "g(1, 'x').h()"})]),
    ("[f(a=m.g(b=1, c=h()))]", [Call("f", {"a": {"m.g": {"b": 1, "c": "h()"}}})]),
    ("[f(a=[g()], b=x[1:2])]", [Call("f", {"a": ["g()"], "b": "x[1:2]"})]),
]
# Read where BFCL's decoder fails, on white space and the language of a fence, or reads a sign wrong.
MORE_THAN_BFCL = [
    (" [ f(a=1), \n  g() ]\n", [Call("f", {"a": 1}), Call("g", {})]),
    ("[f(a=1),\ng()]", [Call("f", {"a": 1}), Call("g", {})]),
    ("```python\n[f(a=1)]\n```", [Call("f", {"a": 1})]),
    ("```tool_code\nf(a=1)\n```", [Call("f", {"a": 1})]),
    ("[f(a=+5, b=--2, c=-(2 * 3), d=+2.5)]", [Call("f", {"a": 5, "b": 2, "c": -6, "d": 2.5})]),
]


@pytest.mark.parametrize(("answer", "calls"), AS_BFCL + MORE_THAN_BFCL)
def test_calls_are_read(answer, calls):
    found = read_python(answer)
    assert found == (calls, ("",))
    # 1 == True == 1.0 above: the types count too.
    assert repr(found.calls) == repr(calls)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "hello",
        "[]",
        "[Note] f(a=1)",
        "[1, 2]",
        '[{"name": "f"}]',
        "x [f(a=1)]",
        # Prose and formulas with a word in front of a bracket.
        "Note(s): none of the functions fits.",
        "Sorry (I cannot do that).",
        "Function(s) unavailable",
        "f(2) = 4, so the answer is 4.",
        "f(x) = 3x + 2",
        "P(A) = 0.5",
        "(Sorry, I cannot.)",
        "None (no function fits the question).",
        "f(a=1) would do, but a is not known",
    ],
)
def test_what_does_not_begin_like_calls_is_no_attempt(answer):
    assert read_python(answer) is None


UNREADABLE = [
    '["f(a=1)"]',
    "['f(a=1)', 'g()']",
    '["f(a=1)", "g()"]',
    "[f(**{'a': 1})]",
    "[f(a=1, a=2)]",
    "[f(from=1)]",
    "[f(a=1), 2]",
    "[f(a=1), ...]",
    "[f(a=1), [g()]]",
    "f(a=1); g(b=2)",
    "f(a=1)\ng(b=2)",
    "[f(a=1)] done",
    "f(a=1)\n\nThis calls f.",
    "[f(a=1)]\n\nThis calls f.",
    "[f(a=1)], [g()]",
    "[f(a=1)]; [g()]",
    "[f(a=1)]()",
    "[f()()]",
    "[f(a=1).g()]",
    "[f(a=1) for x in y]",
    "[f(a='it's')]",
    "f(a=",
    "[f(a=$price)]",
    "[f(a=__import__('os').system('x')+'')]",
    "[f(a=x.y)]",
    "[f(a=lambda: 1)]",
    "[f(a=[x for x in y])]",
    "[f(a=f'{x}')]",
    "[f(a=b'x')]",
    "[f(a=1j)]",
    "[f(a={1, 2})]",
    "[f(a={1: 2})]",
    "[f(a={'x': 1, 'x': 2})]",
    "[f(a={**x})]",
    "[f(a=1e999)]",
    "[f(a='x'+'y')]",
    "[f(a='x'*3)]",
    "[f(a=[1]*3)]",
    "[f(a=-'x')]",
    "[f(a=-True)]",
    "[f(a=not x)]",
    "[f(a=1 if x else 2)]",
    "[f(a=1/0)]",
    "[f(a=0**-1)]",
    "[f(a=(-8)**0.5)]",
    "[f(a=2**65)]",
    "[f(a=10.0**18*10.0**18*10.0**18)]",
    "[f(a=9**9**9**9)]",
    "[f(a=1<<2)]",
    "[f(a=1000000000000000000000*2)]",
    "[f(a=0x" + "f" * 5000 + ")]",
    "[f(a=" + "9" * 5000 + ")]",
    "[f(a='\x00')]",
    "[f(a='\ud800')]",
    "[f(a=" + "[" * 40 + "]" * 40 + ")]",
    "[f(a=" + "-" * 40 + "1)]",
    "[f(a=1" + "+1" * 40 + ")]",
    "[f(a=" + "x." * 5_000 + "x())]",
    "[" + "f()," * 65 + "]",
    "[f(a='" + "x" * 20_000 + "')]",
]


@pytest.mark.parametrize("answer", UNREADABLE)
def test_what_is_no_list_of_calls_with_literals_is_unreadable(answer):
    with pytest.raises(UnreadableError):
        read_python(answer)


@pytest.fixture(scope="module")
def bfcls_decoder(bfcls_utils):
    """BFCL's decoder; its eval takes numbers and operators only."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bfcls_utils, "eval", evaluate, raising=False)
        yield bfcls_utils.default_decode_ast_prompting


def evaluate(text):
    nodes = (ast.Expression, ast.Constant, ast.BinOp, ast.UnaryOp, ast.operator, ast.unaryop, ast.List, ast.Load)
    tree = ast.parse(text, mode="eval")
    if len(text) > 99 or text.count("**") > 1 or not all(isinstance(node, nodes) for node in ast.walk(tree)):
        raise NameError(text)
    return eval(compile(tree, "x", "eval"), {"__builtins__": {}})


@pytest.mark.parametrize(("answer", "calls"), AS_BFCL)
def test_bfcls_decoder_reads_the_same(answer, calls, bfcls_decoder):
    assert repr(bfcls_decoder(answer)) == repr([{call.name: call.arguments} for call in calls])


# Where BFCL's decoder reads something that is refused here: values that no answer of its data accepts (bytes, a set's
# items, ...), or code that has to be run.
REFUSED = {
    "[f(**{'a': 1})]",
    "[f(a=1, a=2)]",
    "[f(a=1).g()]",
    "[f()()]",
    "[f(a=b'x')]",
    "[f(a=1j)]",
    "[f(a={1: 2})]",
    "[f(a={'x': 1, 'x': 2})]",
    "[f(a=1e999)]",
    "[f(a='x'+'y')]",
    "[f(a='x'*3)]",
    "[f(a=[1]*3)]",
    "[f(a=-True)]",
    "[f(a=(-8)**0.5)]",
    "[f(a=2**65)]",
    "[f(a=1<<2)]",
    "[f(a=1000000000000000000000*2)]",
}


@pytest.mark.parametrize("answer", [answer for answer in UNREADABLE if len(answer) < 60])
def test_bfcls_decoder_reads_no_more(answer, bfcls_decoder):
    try:
        decoded = bfcls_decoder(answer)
    except Exception:  # noqa: BLE001 -- as BFCL does
        assert answer not in REFUSED
    else:
        assert answer in REFUSED, decoded


def test_expensive_text_is_refused_before_python_parses_it(monkeypatch):
    monkeypatch.setattr(python.ast, "parse", lambda *_, **__: pytest.fail("parsed"))
    for value in ("[" * 100_000, "-" * 19_000, "~ " * 9_000, "not " * 4_000, "(" * 33, "'" + "x" * 20_000):
        with pytest.raises(UnreadableError):
            read_python(f"[f(a={value})]")


@pytest.mark.parametrize(
    "text",
    [
        "```f" + " " * 190_000 + "x```",
        "```" * 60_000,
        "`" * 190_000,
        "[" * 190_000,
        "['" * 90_000 + "f(",
        "f" * 190_000,
        "f." * 90_000,
        "f" + " " * 190_000,
        "f(" + " " * 190_000,
        "f(" + "x" * 190_000,
        "[f(a=" + "'''\\" * 4_900,
        "[f(a=" + "'''" * 6_000 + "\\",
        "[f(a=" + "\"'" * 9_000 + "\\",
        "[f(a=" + "x[" * 9_000,
        "[f(a=" + "g(b=" * 4_900,
        "[f(a=" + "x.y" * 6_000 + "[0])]",
        "[f(a=" + "1**" * 6_000 + "1)]",
    ],
)
def test_time_is_linear(text):
    start = time.process_time()
    with contextlib.suppress(UnreadableError):
        read_python(text)
    assert time.process_time() - start < 0.2  # of this process's own time; measured: below 0.02 s


def test_nothing_is_run(tmp_path):
    file = tmp_path / "made"
    for value in (f"open({str(file)!r}, 'w').write('x')+1", f"-open({str(file)!r}, 'w')"):
        with pytest.raises(UnreadableError):
            read_python(f"[f(a={value})]")
    # A call for a value is its text.
    read_python(f"[f(a=[open({str(file)!r}, 'w')])]")
    assert not file.exists()
