"""Put a LoRA adapter with random weights into a folder beside the whole model that is there.

Run as a file by the Python of .venvs/engines-cpu. `transformers serve` takes no adapter folder, but a model's folder
with an adapter in it: the model is loaded first and the adapter on it, unmerged.
"""

import argparse
from pathlib import Path

RANK = 4
SPREAD = 0.05
"""Standard deviation of the B matrices: enough for other words, too little to spoil a sentence."""


def main() -> None:
    """Write adapter_config.json and adapter_model.safetensors to FOLDER."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    import torch  # type: ignore[import-not-found]
    from peft import LoraConfig, get_peft_model  # type: ignore[import-not-found]
    from transformers import AutoModelForCausalLM  # type: ignore[import-not-found]

    torch.manual_seed(0)
    base = AutoModelForCausalLM.from_pretrained(arguments.folder, dtype=torch.bfloat16)
    settings = LoraConfig(r=RANK, lora_alpha=RANK, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    model = get_peft_model(base, settings)
    for name, weights in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=SPREAD)
    model.save_pretrained(arguments.folder)


if __name__ == "__main__":
    main()
