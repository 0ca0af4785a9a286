"""Verifiers of other projects: loaded by name, by entry point, once; and what is said where that fails."""

import sys
from importlib.metadata import EntryPoint

import pytest

import reward_score
from reward_score import UnknownDataSourceError, VerifierImportError, compute_score, plugins, registry

VERIFIER = """
import reward_score

def setup(source="users/by call"):
    @reward_score.register(source)
    def verify(solution_str, ground_truth, extra_info):
        return reward_score.Verdict(1.0, 1.0, 1.0, solution_str, "correct")
"""
FILES = {
    "plug_good.py": VERIFIER + "setup('users/good')\n",
    "plug_call.py": VERIFIER,
    "plug_none.py": "import reward_score\n",
    "plug_breaks.py": "import reward_score\n\n1 / 0\n",
    "plug_lacks.py": "import no_such_library\n",
    "plug_taken.py": VERIFIER + "setup('math500')\n",
    "plug_indirect.py": "import plug_good\n",
    "plug_package/__init__.py": "from plug_package import inner\n",
    "plug_package/inner.py": VERIFIER + "setup('users/package')\n",
}


@pytest.fixture(autouse=True)
def _own_registry(monkeypatch, tmp_path):
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_verifiers", dict(registry._verifiers))
    monkeypatch.setattr(plugins, "_loaded", {})
    yield
    for name in [name for name in sys.modules if name.startswith("plug_")]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("plugin", "source"),
    [("plug_good", "users/good"), ("plug_call:setup", "users/by call"), ("plug_indirect", "users/good"),
     ("plug_package", "users/package"), ("plug_package.inner", "users/package")],
)  # fmt: skip
def test_a_plugin_is_loaded_at_its_first_mention_and_judges_elsewhere(plugin, source):
    with pytest.raises(UnknownDataSourceError):
        compute_score(source, "x", "")
    for _ in range(2):
        assert compute_score(source, "x", "", imports=[plugin])["reason"] == "correct"
    assert compute_score(source, "y", "")["pred"] == "y"
    assert registry.find_verifier(source).needs == f"plugin {plugin}"


def test_one_that_was_imported_before_is_as_good():
    __import__("plug_good")
    __import__("plug_package")
    plugins.load(["plug_good", "plug_package"])
    assert compute_score("users/good", "x", "")["acc"] == compute_score("users/package", "x", "")["acc"] == 1.0


@pytest.mark.parametrize(
    ("plugin", "found"),
    [
        ("plug_none", "register a verifier with reward_score.register, it registered none"),
        ("plug_breaks", r"ZeroDivisionError: division by zero \(.*plug_breaks.py, line 3\)"),
        ("plug_lacks", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("plug_missing", "ModuleNotFoundError: No module named 'plug_missing'"),
        ("plug_call:nothing", "AttributeError: .*nothing"),
        ("plug_taken", "ValueError: data source 'math500' must have one verifier"),
        ("", "ValueError: Empty module name"),
        ("plug good", "ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_loaded_is_a_sentence_each_time(plugin, found):
    for _ in range(2):
        with pytest.raises(VerifierImportError, match=f"the plug-in '{plugin}' must .*{found}"):
            plugins.load([plugin])
    # verl's reward workers stop a run on a data source that nobody judges, and so they do on this.
    with pytest.raises(LookupError, match="the plug-in"):
        compute_score("math500", "", "5", imports=[plugin])


def test_installed_packages_are_loaded_once_and_a_broken_one_is_left_out(monkeypatch, caplog):
    points = [EntryPoint("a", name, plugins.GROUP) for name in ("plug_good", "plug_breaks", "plug_call:setup")]
    asked = []
    monkeypatch.setattr(plugins, "_installed_faults", None)
    monkeypatch.setattr(plugins, "entry_points", lambda group: asked.append(group) or points)
    assert {"users/good", "users/by call"} <= set(reward_score.known_sources())
    assert compute_score("users/by call", "x", "")["acc"] == 1.0
    assert asked == [plugins.GROUP]
    assert caplog.text.count("plug_breaks.py, line 3") == 1
    with pytest.raises(UnknownDataSourceError, match=r"got 'users/other'.*; the plug-in 'plug_breaks' must be"):
        compute_score("users/other", "", "")
