"""Perturbations: one module each, with a `Perturbation` subclass of the same name in CamelCase."""

from typing import TYPE_CHECKING

from ...common.registry import camel_case, load_from, module_names

if TYPE_CHECKING:
    from ..perturbation import Perturbation


def names() -> list[str]:
    """Names of the perturbations in this folder, sorted."""
    return module_names(__path__)


def load(name: str) -> "Perturbation":
    """Builds the perturbation called `name`; a dotted name loads anyone's module.

    Raises:
        ValueError: there is no such perturbation.
    """
    return load_from("perturbation", name, camel_case(name), names(), __name__)()
