"""Maps the top-level folders into the one package `vlasandbox`; all else is in pyproject.toml."""

from setuptools import find_packages, setup

PACKAGES = ("common", "envs", "policies", "vision", "train", "eval")
FACE = "common/vlasandbox"  # the `__init__.py` of `vlasandbox` itself, which has no folder of its own
modules = [
    f"vlasandbox.{name}"
    for package in PACKAGES
    for name in [package, *(f"{package}.{sub}" for sub in find_packages(package, exclude=["vlasandbox"]))]
]

setup(
    packages=["vlasandbox", *modules],
    package_dir={"vlasandbox": FACE} | {f"vlasandbox.{package}": package for package in PACKAGES},
)
