"""Writes an FP8 checkpoint in F32, the same numbers, for peers that know no FP8 on CPUs.

  build/peers/vllm/bin/python bench/peers/dequantize.py CHECKPOINT OUT

The prediction layer is left out. One safetensors file, which must fit into memory.
"""
import json
import pathlib
import shutil
import sys

import safetensors.torch
import torch

SCALE = "_scale_inv"


def in_f32(weights, name, block):
    """weights[name] times the scale of its block of block[0] rows and block[1] columns."""
    values = weights[name].float()
    scales = weights.get(name + SCALE)
    if scales is None:
        return values
    for axis, size in enumerate(block):
        scales = scales.repeat_interleave(size, axis).narrow(axis, 0, values.shape[axis])
    return values * scales


def main(checkpoint, out):
    config = json.loads((checkpoint / "config.json").read_text())
    block = config.pop("quantization_config", {}).get("weight_block_size")
    layers = config["num_hidden_layers"]
    weights = safetensors.torch.load_file(checkpoint / "model.safetensors")
    kept = [name for name in weights if not name.endswith(SCALE) and f"model.layers.{layers}." not in name]
    out.mkdir(parents=True)
    safetensors.torch.save_file({name: in_f32(weights, name, block).contiguous() for name in kept},
                                out / "model.safetensors", {"format": "pt"})
    config |= {"torch_dtype": "float32", "num_nextn_predict_layers": 0}
    (out / "config.json").write_text(json.dumps(config, indent=2))
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja", "generation_config.json"):
        if (checkpoint / name).exists():
            shutil.copy(checkpoint / name, out)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]))
