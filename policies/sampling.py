"""Sampling settings of a trained head, changed after training by text such as "steps=5,temperature=0"."""

import json

from ..common.errors import InputError
from ..common.registry import parse_settings
from .config_io import from_dict, to_dict
from .head import HeadConfig


def resampled(config: HeadConfig, text: str) -> HeadConfig:
    """Returns `config` with other sampling settings; "" changes nothing.

    Raises:
        ValueError: a setting that this head does not have or that affects training, or an impossible value.
    """
    data = to_dict(config)
    for name, value in parse_settings("sampling", text).items():
        if name not in config.SAMPLING:
            valid = ", ".join(config.SAMPLING) or "none"
            raise InputError(f"sampling {name}={value!r}: this head has no such setting; valid: {valid}")
        *parents, last = name.split(".")
        part = data
        for parent in parents:
            part = part[parent]
        part[last] = _value(value)
    return from_dict(type(config), data, "sampling")


def _value(text: str) -> object:
    try:
        return json.loads(text)
    except json.JSONDecodeError:  # a word, such as ddpm
        return text
