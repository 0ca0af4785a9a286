"""Mistyped names get the nearest known one, or other words."""

import pytest

from groupwise.spelling import check_keys, did_you_mean, nearest_key


@pytest.mark.parametrize(
    ("name", "told"),
    [("alhpa", "did you mean 'alpha'?"), ("zzz", "leave it out."), (None, "leave it out."), (7, "leave it out.")],
)
def test_the_nearest_name(name, told):
    assert did_you_mean(name, ("alpha", "beta"), "leave it out.") == told


def test_names_may_be_of_any_type():
    assert did_you_mean("batch1", (1, None, "batch"), "none") == "did you mean 'batch'?"


@pytest.mark.parametrize(
    ("key", "meant"),
    [("m.one.rat", "m.one.rate"), ("m.one.coefficient", None), ("m.oen.coefficient", "m.two.coefficient"),
     ("trainer.coefficient", "m.two.coefficient"), ("m.two.rate", None)],
)  # fmt: skip
def test_a_key_of_a_closed_section_is_none_of_another(key, meant):
    known = ["m", "m.one", "m.one.rate", "m.two", "m.two.coefficient", "trainer.nodes"]
    assert nearest_key(key, known, closed=["m.one", "m.two"]) == meant
    assert nearest_key("m.one.coefficient", known) == "m.two.coefficient"


def test_keys_are_those_of_the_section():
    check_keys(["b", "a"], ("a", "b"), section="s", cure="add them.")
    with pytest.raises(ValueError, match=r"^s\.t has no key 'sclae'; did you mean 'scale'\?$"):
        check_keys(["sclae"], ("scale", "formats"), section="s.t", cure="add them.")
    with pytest.raises(ValueError, match=r"^s has no key 'qqq'; known are none\.$"):
        check_keys(["qqq"], (), section="s", cure=None)


def test_missing_keys_are_told_where_they_must_be_there():
    with pytest.raises(ValueError, match=r"^s must give a, b, c, but lacks a, c; add them\.$"):
        check_keys(["b"], ("a", "b", "c"), section="s", cure="add them.")
    check_keys(["b"], ("a", "b", "c"), section="s", cure=None)
