"""What hostile and long texts become before they are shown."""

import unicodedata

import pytest

from groupwise.inspect.text import excerpt, number, one_line, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "\u241b[31mred\u241b[0m"),
        ("a\x00b", "a\u2400b"),
        ("over\rwritten\r\n", "over\u240dwritten\u240d\n"),
        ("\x7f\x08", "\u2421\u2408"),
        ("\x9b31m", "<U+009B>31m"),  # CSI in one character
        ("\u202egnp.exe", "<U+202E>gnp.exe"),
        ("zero\u200bwidth\ufeff", "zero<U+200B>width<U+FEFF>"),
        ("tag\U000e0041", "tag<U+E0041>"),
        ("a\u2028b\u061c", "a<U+2028>b<U+061C>"),
    ],
)
def test_what_has_no_shape_gets_a_sign(text: str, shown: str):
    assert visible(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "plain",
        "two\nlines\tand a tab",
        "\u4f60\u597d",
        "\u0645\u0631\u062d\u0628\u0627",
        "e\u0301",
        "\U0001f468\u200d\U0001f469",
    ],
)
def test_texts_of_all_scripts_stay(text: str):
    assert visible(text) == text


def test_no_control_character_and_no_turn_of_direction_is_left():
    # unicodedata is the oracle: category Cc, and the bidirectional classes of marks, embeddings and isolates.
    turns = {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    everything = "".join(chr(code) for code in [*range(0x3000), *range(0xE0000, 0xE0080)])
    left = {c for c in visible(everything) if unicodedata.category(c) == "Cc" or unicodedata.bidirectional(c) in turns}
    assert left == {"\n", "\t"}


def test_one_line():
    assert one_line("  a\n\n b\tc ", 10) == "a b c"
    assert one_line("abcdef", 6) == "abcdef"
    assert one_line("abcdefg", 6) == "abcde\u2026"
    assert one_line("a" * 1_000_000, 5) == "aaaa\u2026"
    # Signs are longer than what they stand for; the line is cut behind them.
    assert len(one_line("\u202e" * 100, 20)) == 20


def test_an_excerpt_keeps_both_ends():
    assert excerpt("0123456789" * 10, 10) == ("01234", 90, "56789")
    assert excerpt("0123456789" * 10, None) == ("0123456789" * 10, 0, "")
    assert excerpt("x" * 13, 10) == ("xxxxx", 3, "xxxxx")
    # A quarter more is left whole: the note would be longer than what it stands for.
    assert excerpt("x" * 12, 10) == ("x" * 12, 0, "")


def test_an_excerpt_is_visible_at_both_ends():
    assert excerpt("\x1b" + "x" * 100 + "\x00", 10) == ("\u241bxxxx", 92, "xxxx\u2400")


@pytest.mark.parametrize(
    ("value", "form", "shown"),
    [(None, ".5g", "-"), (1.23456789, ".5g", "1.2346"), (float("inf"), ".5g", "inf"), (-0.05, "+.3f", "-0.050")],
)
def test_numbers(value: float | None, form: str, shown: str):
    assert number(value, form) == shown
