"""Maps the six top-level folders into the one package `vlasandbox`; all else is in pyproject.toml."""

from setuptools import find_packages, setup

PACKAGES = ("common", "envs", "policies", "vision", "train", "eval")
modules = [
    f"vlasandbox.{name}"
    for package in PACKAGES
    for name in [package, *(f"{package}.{sub}" for sub in find_packages(package))]
]

setup(packages=modules, package_dir={f"vlasandbox.{package}": package for package in PACKAGES})
