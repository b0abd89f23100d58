"""Perturbations: one module each, with a `Perturbation` subclass of the same name in CamelCase."""

import pkgutil
from typing import TYPE_CHECKING

from ...common.registry import camel_case, load_from

if TYPE_CHECKING:
    from ..perturbation import Perturbation


def names() -> list[str]:
    """Names of the perturbations in this folder, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def load(name: str) -> "Perturbation":
    """Builds the perturbation called `name`; a dotted name loads anyone's module.

    Raises:
        ValueError: there is no such perturbation.
    """
    return load_from("perturbation", name, camel_case(name), names(), __name__)()
