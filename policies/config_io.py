"""Frozen dataclass trees <-> JSON.

Where a field is declared as a base class (`head: HeadConfig`), the JSON object names its class under "type",
e.g. "vlasandbox.policies.heads.flow.Config": one that ships with us, or of a module that `common.trust` lets
a file name.
"""

import dataclasses
import importlib
import inspect
import pkgutil
import types
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ..common.errors import InputError
from ..common.trust import UntrustedError, import_named

T = TypeVar("T")


def to_dict(config: Any, declared: Any = None) -> Any:
    """JSON-serializable form of a dataclass or of a value inside one.

    Args:
        config: the value.
        declared: its declared class; a dataclass of another class gets a "type".
    """
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        hints = get_type_hints(type(config))
        fields = {f.name: to_dict(getattr(config, f.name), hints[f.name]) for f in dataclasses.fields(config)}
        own = type(config)
        named = declared is not None and own not in (declared, *get_args(declared))
        return {"type": f"{own.__module__}.{own.__qualname__}", **fields} if named else fields
    if isinstance(config, tuple | list):
        return [to_dict(x) for x in config]
    if isinstance(config, Path):
        return str(config)
    assert config is None or isinstance(config, bool | int | float | str), f"{config!r} has no form in JSON"
    return config


def from_dict(cls: type[T], data: Any, path: str = "") -> T:
    """Inverse of `to_dict` for the dataclass `cls`. A missing field takes its default.

    Raises:
        ValueError: unknown or missing field, unknown type, or a value of the wrong type; the message gives
            the path of the value, the value, and what is valid there.
    """
    if not isinstance(data, dict):
        raise InputError(
            f"{path or 'config'}: expected an object with the fields of {cls.__name__}, got {data!r}"
        )
    data = dict(data)
    actual = _class_named(data.pop("type"), cls, path) if "type" in data else cls
    if inspect.isabstract(actual):
        raise InputError(f'{path or "config"}: needs a "type"; valid: {_known(actual)}')
    fields = {f.name: f for f in dataclasses.fields(actual)}  # pyright: ignore[reportArgumentType]
    hints = get_type_hints(actual)
    unknown = sorted(data.keys() - fields.keys())
    if unknown:
        raise InputError(f"{_join(path, unknown[0])}: unknown field; valid: {', '.join(fields)}")
    values = {name: _value(hints[name], x, _join(path, name)) for name, x in data.items()}
    required = [n for n, f in fields.items() if f.default is f.default_factory is dataclasses.MISSING]
    for name in required:
        if name not in values:
            raise InputError(f"{_join(path, name)}: this field is missing")
    try:
        return actual(**values)
    except ValueError as error:  # the class does not know where it stands
        raise (error if path in str(error) else ValueError(f"{path}: {error}")) from None


def _value(hint: Any, data: Any, path: str) -> Any:
    """Converts `data` to the type that `hint` declares."""
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return _first_fitting(
            [arg for arg in args if (arg is type(None)) == (data is None)], hint, data, path
        )
    if origin is Literal:
        return _expect(data in args, data, path, data, f"one of {', '.join(map(repr, args))}")
    if origin is tuple:
        _expect(isinstance(data, list | tuple), data, path, None, "a list")
        if args[-1] is not Ellipsis:
            _expect(len(data) == len(args), data, path, None, f"a list of {len(args)}")
        element = args if args[-1] is not Ellipsis else (args[0],) * len(data)
        return tuple(_value(h, x, f"{path}[{i}]") for i, (h, x) in enumerate(zip(element, data, strict=True)))
    if dataclasses.is_dataclass(hint):
        return from_dict(hint, data, path)  # pyright: ignore[reportArgumentType]
    if hint is type(None):
        return _expect(data is None, data, path, None, "null")
    if hint is Path:
        return Path(_expect(isinstance(data, str), data, path, data, "a path"))
    if hint is float:
        number = isinstance(data, int | float) and not isinstance(data, bool)
        return float(_expect(number, data, path, data, "a number"))
    if hint is int:
        return _expect(
            isinstance(data, int) and not isinstance(data, bool), data, path, data, "a whole number"
        )
    return _expect(isinstance(data, hint), data, path, data, hint.__name__)


def _expect(fits: bool, data: Any, path: str, value: Any, expected: str) -> Any:
    if not fits:
        raise InputError(f"{path}: got {data!r}, expected {expected}")
    return value


def _first_fitting(options: list[Any], hint: Any, data: Any, path: str) -> Any:
    if len(options) == 1:
        return _value(options[0], data, path)
    for option in options:
        try:
            return _value(option, data, path)
        except ValueError:
            continue
    raise InputError(f"{path}: got {data!r}, which fits nothing in {hint}")


def _class_named(name: Any, base: type, path: str) -> type:
    """The subclass of `base` with this dotted name; nothing else is imported to find it."""
    module, _, attribute = str(name).rpartition(".")
    try:
        # Not getattr: a module may import others when asked for a name that it lacks.
        found = vars(import_named(module, _shipped(base))).get(attribute)
    except UntrustedError as error:
        raise InputError(f"{path or 'config'}: {error}; or use one of ours: {_known(base)}") from None
    except (ImportError, ValueError):
        found = None
    if not (isinstance(found, type) and issubclass(found, base) and dataclasses.is_dataclass(found)):
        raise InputError(
            f"{path or 'config'}: {name!r} is not an importable {base.__name__}; valid: {_known(base)}, "
            "or the dotted name of your own"
        )
    return found


def _shipped(base: type) -> list[str]:
    """Modules of this package in which an implementation of `base` may be: its own, and those in the folder
    named after it in the plural."""
    try:
        folder = importlib.import_module(f"{base.__module__}s")
        listing = pkgutil.iter_modules(folder.__path__)
    except (ImportError, AttributeError):
        return [base.__module__]
    return [base.__module__, *sorted(f"{folder.__name__}.{m.name}" for m in listing if m.name[0] != "_")]


def _known(base: type) -> str:
    own, *folder = _shipped(base)
    names = [f"{module}.Config" for module in folder] or [f"{own}.{base.__qualname__}"]
    return ", ".join(names)


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
