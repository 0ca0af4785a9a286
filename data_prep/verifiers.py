"""The option that names verifiers of a user's own, the same for every command here."""

import argparse
from collections.abc import Iterable

from data_prep.errors import DataError
from reward_score.plugins import VerifierImportError
from reward_score.plugins import load as load_plugins


def add_option(parser: argparse.ArgumentParser) -> None:
    """Adds `--import`.

    Args:
        parser: The command's parser.
    """
    parser.add_argument(
        "--import",
        dest="imports",
        action="append",
        default=[],
        metavar="MODULE",
        help="a module on the path that registers your own verifiers (again for another)",
    )


def load(imports: Iterable[str]) -> None:
    """Loads modules that register verifiers.

    Args:
        imports: Their names: see `reward_score.plugins`.

    Raises:
        DataError: If one cannot be loaded or registers none.
    """
    try:
        load_plugins(imports)
    except VerifierImportError as error:
        raise DataError(str(error)) from error
