"""Maps the five top-level folders into the one package `vlasandbox`; all else is in pyproject.toml."""

from setuptools import find_packages, setup

ROOMS = ("envs", "policies", "vision", "train", "eval")
packages = [
    f"vlasandbox.{name}"
    for room in ROOMS
    for name in [room, *(f"{room}.{sub}" for sub in find_packages(room))]
]

setup(packages=packages, package_dir={f"vlasandbox.{room}": room for room in ROOMS})
