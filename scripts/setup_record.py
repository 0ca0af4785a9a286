"""Which environment is used, and the record in it of what is installed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

from setup_steps import site_packages

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Environment:
    """Where to install.

    Attributes:
        prefix: folder of the environment.
        ours: made by set-up, so that it may be made anew.
    """

    prefix: Path
    ours: bool

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.prefix / "bin" / "python"

    @property
    def record(self) -> Path:
        """File that says which parts are installed."""
        return self.prefix / ".verl-dipo.json"


def choose_environment(variables: dict[str, str]) -> Environment:
    """The active virtual or conda environment, else .venv; conda's base, active by default, is left alone."""
    active = variables.get("VIRTUAL_ENV", "")
    if not active and variables.get("CONDA_DEFAULT_ENV", "base") != "base":
        active = variables.get("CONDA_PREFIX", "")
    own = ROOT / ".venv"
    if active and Path(active).resolve() != own.resolve():
        return Environment(Path(active), ours=False)
    return Environment(own, ours=True)


def read_record(environment: Environment) -> dict:
    """Reads what was installed; without the parts where a package has gone since, empty where nothing was."""
    try:
        record = json.loads(environment.record.read_text())
    except (OSError, ValueError):
        return {}
    present = {info.name for info in Path(record["site"]).glob("*.dist-info")}
    return {**record, "parts": {}} if set(record["packages"]) - present else record


def write_record(environment: Environment, kind: str, parts: dict[str, str]) -> None:
    """Records the installed parts, and with the part "check", the last, the packages that they brought.

    Args:
        environment: where they are.
        kind: "cpu" or "gpu".
        parts: the name of each part and its digest.
    """
    site = site_packages(environment.python)
    packages = sorted(name for name in os.listdir(site) if name.endswith(".dist-info")) if "check" in parts else []
    record = {"kind": kind, "root": str(ROOT), "site": str(site), "packages": packages, "parts": parts}
    written = environment.record.with_suffix(".new")
    written.write_text(json.dumps(record))
    written.replace(environment.record)
