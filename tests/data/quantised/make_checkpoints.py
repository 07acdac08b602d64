#!/usr/bin/env python3
"""Writes small checkpoints in every quantised form, each in a folder, and beside them what numpy makes of two of their weights.

A form's function follows what its library's reference does (named there), in the plainest way. Codes are random; scales are
random, too, but for the first rows: zero, the least and the largest there is. Needs numpy and ml_dtypes.
"""
import json
import pathlib

import ml_dtypes
import numpy as np

HERE = pathlib.Path(__file__).parent
HIDDEN, INNER, HEADS, KEY_HEADS, HEAD, VOCABULARY = 64, 128, 2, 2, 32, 32
LATENT, NOPE, ROPE, EXPERTS, EXPERT_INNER = 32, 16, 16, 4, 32
F32, F16, BF16, E4M3 = np.float32, np.float16, ml_dtypes.bfloat16, ml_dtypes.float8_e4m3fn
NAMES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16", "float8_e4m3fn": "F8_E4M3", "int32": "I32", "int64": "I64",
         "int8": "I8", "uint8": "U8"}
EXPECTED = ["model.layers.0.self_attn.q_proj", "model.layers.0.mlp.down_proj"]
NF4 = np.array([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
                -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
                0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0], F32)


def save(path, tensors):
    header, data = {}, b""
    for name, array in sorted(tensors.items()):
        header[name] = {"dtype": NAMES[array.dtype.name], "shape": list(array.shape), "data_offsets": [len(data), len(data) + array.nbytes]}
        data += np.ascontiguousarray(array).tobytes()
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def scales(rng, rows, groups, dtype, size=0.01):
    """[rows, groups], the first rows with edges."""
    values = (size * (0.1 + rng.random((rows, groups)))).astype(dtype)
    tiny = {F16: 2.0**-24, BF16: 2.0**-133, F32: 2.0**-149}[dtype]
    values[0], values[1], values[2] = 0, tiny, 37 * tiny
    return values


def codes(rng, rows, cols, bits):
    values = rng.integers(0, 1 << bits, (rows, cols))
    values[:, 0], values[:, 1] = 0, (1 << bits) - 1
    return values


def words(values, bits, axis):
    """Numbers of so many bits along an axis, the first in the least significant bits; the last word may be filled up."""
    values = np.moveaxis(values, axis, -1).astype(np.uint32)
    together = 32 // bits
    values = np.pad(values, [(0, 0)] * (values.ndim - 1) + [(0, -values.shape[-1] % together)])
    values = values.reshape(*values.shape[:-1], -1, together)
    joined = np.bitwise_or.reduce(values << (np.arange(together, dtype=np.uint32) * bits), axis=-1)
    return np.moveaxis(joined, -1, axis).view(np.int32)


def groups_of(rng, cols, group, act_order):
    """The group of each column."""
    size = cols if group == -1 else group
    plain = np.arange(cols) // size
    return rng.permutation(plain) if act_order else plain


def times(code, zero, scale, of_column):
    """(code - zero) * scale, rounded once; zero and scale: [rows, groups]."""
    return (code - zero[:, of_column]).astype(F32) * scale.astype(F32)[:, of_column]


def gptq(bits, group, act_order, first_format):
    """GPTQModel's torch kernel, and its convert_gptq_v2_to_v1_format, which subtracts from words."""
    def form(rng, rows, cols):
        of_column = groups_of(rng, cols, group, act_order)
        code, scale = codes(rng, rows, cols, bits), scales(rng, rows, of_column.max() + 1, F16)
        zero = rng.integers(0, 1 << bits, scale.shape)
        zero[:2] = [[0], [(1 << bits) - 1]]
        zeros = words(zero.T, bits, 1)
        if first_format:
            zeros = (zeros.view(np.uint32) - np.uint32({4: 0x11111111, 8: 0x01010101}[bits])).view(np.int32)
        parts = {"qweight": words(code.T, bits, 0), "qzeros": zeros, "scales": scale.T, "g_idx": of_column.astype(np.int32)}
        return parts, times(code, zero, scale, of_column)
    return form, {"quant_method": "gptq", "bits": bits, "group_size": group, "desc_act": act_order, "sym": False, "damp_percent": 0.01,
                  "true_sequential": True, **({} if first_format else {"checkpoint_format": "gptq_v2"})}


def awq(group):
    """AutoAWQ's packing_utils and WQLinear_GEMM."""
    def form(rng, rows, cols):
        order = [0, 2, 4, 6, 1, 3, 5, 7]
        interleaved = np.arange(rows).reshape(-1, 8)[:, order].reshape(-1)
        of_column = groups_of(rng, cols, group, False)
        code, scale = codes(rng, rows, cols, 4), scales(rng, rows, of_column.max() + 1, F16)
        zero = rng.integers(0, 16, scale.shape)
        parts = {"qweight": words(code.T[:, interleaved], 4, 1), "qzeros": words(zero.T[:, interleaved], 4, 1), "scales": scale.T}
        return parts, times(code, zero, scale, of_column)
    return form, {"quant_method": "awq", "bits": 4, "group_size": group, "version": "gemm", "zero_point": True,
                  "modules_to_not_convert": ["lm_head"]}


def compressed(format, weights):
    return {"quant_method": "compressed-tensors", "format": format, "ignore": ["lm_head"], "kv_cache_scheme": None,
            "quantization_status": "compressed", "global_compression_ratio": None, "version": "0.12.2",
            "config_groups": {"group_0": {"input_activations": None, "output_activations": None, "targets": ["Linear"],
                                          "weights": {"actorder": None, "block_structure": None, "dynamic": False, "group_size": None,
                                                      "observer": "minmax", "observer_kwargs": {}, "symmetric": True, "type": "int",
                                                      **weights}}}}


def packed_integers(bits, group, symmetric, act_order, dtype):
    """compressed-tensors' pack_quantized and its forward.dequantize."""
    def form(rng, rows, cols):
        of_column = groups_of(rng, cols, group, act_order)
        code, scale = codes(rng, rows, cols, bits), scales(rng, rows, of_column.max() + 1, dtype)
        zero = np.full(scale.shape, 1 << bits - 1) if symmetric else rng.integers(0, 1 << bits, scale.shape)
        parts = {"weight_packed": words(code, bits, 1), "weight_scale": scale, "weight_shape": np.array([rows, cols], np.int64)}
        if not symmetric:
            parts["weight_zero_point"] = words(zero, bits, 0)
        if act_order:
            parts["weight_g_idx"] = of_column.astype(np.int32)
        return parts, times(code, zero, scale, of_column)
    weights = {"num_bits": bits, "symmetric": symmetric, "strategy": "channel" if group == -1 else "group",
               "group_size": None if group == -1 else group, "actorder": "group" if act_order else None}
    return form, compressed("pack-quantized", weights)


def int_quantized(symmetric):
    """compressed-tensors' int_quantized, by channel."""
    def form(rng, rows, cols):
        code, scale = codes(rng, rows, cols, 8), scales(rng, rows, 1, BF16)
        zero = np.full(scale.shape, 128) if symmetric else rng.integers(0, 256, scale.shape)
        parts = {"weight": (code - 128).astype(np.int8), "weight_scale": scale}
        if not symmetric:
            parts["weight_zero_point"] = (zero - 128).astype(np.int8)
        return parts, times(code, zero, scale, np.zeros(cols, int))
    return form, compressed("int-quantized", {"num_bits": 8, "strategy": "channel", "symmetric": symmetric})


def finite_e4m3(rng, shape):
    bits = rng.integers(0, 256, shape).astype(np.uint8)
    bits[bits & 0x7F == 0x7F] = 0x7E
    return bits.view(E4M3)


def fp8_channel():
    """compressed-tensors' float_quantized, by channel."""
    def form(rng, rows, cols):
        weight, scale = finite_e4m3(rng, (rows, cols)), scales(rng, rows, 1, BF16, 1e-3)
        return {"weight": weight, "weight_scale": scale, "input_scale": np.ones(1, BF16)}, weight.astype(F32) * scale.astype(F32)
    return form, compressed("float-quantized", {"num_bits": 8, "type": "float", "strategy": "channel"})


def fp8_tensor():
    """vLLM's fp8 of one scale."""
    def form(rng, rows, cols):
        weight, scale = finite_e4m3(rng, (rows, cols)), F32(1e-3 * (0.1 + rng.random()))
        return {"weight": weight, "weight_scale": np.array(scale), "input_scale": np.array(F32(1))}, weight.astype(F32) * scale
    return form, {"quant_method": "fp8", "activation_scheme": "static", "ignored_layers": ["lm_head"]}


def e2m1(code):
    return code.astype(np.uint8).view(ml_dtypes.float4_e2m1fn).astype(F32)


def pairs(code):
    return (code[:, 0::2] | code[:, 1::2] << 4).astype(np.uint8)


def nvfp4(rng, rows, cols):
    code, scale = codes(rng, rows, cols, 4), np.abs(finite_e4m3(rng, (rows, cols // 16)).astype(F32)).astype(E4M3)
    scale[0], scale[1], scale[2] = 0, 2.0**-9, 448
    return code, scale, e2m1(code) * np.repeat(scale.astype(F32), 16, 1)


def modelopt_nvfp4():
    """ModelOpt's NVFP4, as DeepSeek-R1-0528-FP4 has it."""
    def form(rng, rows, cols):
        code, scale, value = nvfp4(rng, rows, cols)
        whole = F32(1e-4 * (0.1 + rng.random()))
        parts = {"weight": pairs(code), "weight_scale": scale, "weight_scale_2": np.array(whole), "input_scale": np.array(F32(0.01))}
        return parts, value * whole
    return form, None


def compressed_nvfp4():
    """compressed-tensors' nvfp4_pack_quantized."""
    def form(rng, rows, cols):
        code, scale, value = nvfp4(rng, rows, cols)
        divisor = F32(1e4 * (0.5 + rng.random()))
        return {"weight_packed": pairs(code), "weight_scale": scale, "weight_global_scale": np.array([divisor])}, value * (F32(1) / divisor)
    return form, compressed("nvfp4-pack-quantized", {"num_bits": 4, "type": "float", "strategy": "tensor_group", "group_size": 16})


def compressed_mxfp4():
    """compressed-tensors' mxfp4_pack_quantized; OCP Microscaling Formats."""
    def form(rng, rows, cols):
        code, power = codes(rng, rows, cols, 4), rng.integers(115, 122, (rows, cols // 32)).astype(np.uint8)
        power[0], power[1], power[2] = 0, 1, 127
        scale = power.view(ml_dtypes.float8_e8m0fnu).astype(F32)
        return {"weight_packed": pairs(code), "weight_scale": power}, e2m1(code) * np.repeat(scale, 32, 1)
    return form, compressed("mxfp4-pack-quantized", {"num_bits": 4, "type": "float", "strategy": "group", "group_size": 32})


def bitsandbytes(double):
    """bitsandbytes' QuantState and dequantize_4bit."""
    def form(rng, rows, cols):
        code = codes(rng, rows, cols, 4)
        count = rows * cols // 64
        flat = code.reshape(-1)
        state = {"quant_type": "nf4", "blocksize": 64, "dtype": "bfloat16", "shape": [rows, cols]}
        parts = {"weight": (flat[0::2] << 4 | flat[1::2]).astype(np.uint8).reshape(-1, 1), "weight.quant_map": NF4}
        if double:
            state.update({"nested_blocksize": 256, "nested_dtype": "float32", "nested_offset": 0.03125})
            place = rng.integers(0, 256, count).astype(np.uint8)
            steps = np.sort(rng.random(256).astype(F32) * 2 - 1)
            nested = (0.01 * (0.5 + rng.random(-(-count // 256)))).astype(F32)
            parts.update({"weight.absmax": place, "weight.nested_absmax": nested, "weight.nested_quant_map": steps})
            scale = steps[place] * np.repeat(nested, 256)[:count] + F32(0.03125)
        else:
            scale = scales(rng, count, 1, F32, 0.05).reshape(-1)
            parts["weight.absmax"] = scale
        parts["weight.quant_state.bitsandbytes__nf4"] = np.frombuffer(json.dumps(state).encode(), np.uint8)
        return parts, (NF4[flat] * np.repeat(scale, 64)).reshape(rows, cols)
    return form, {"quant_method": "bitsandbytes", "load_in_4bit": True, "load_in_8bit": False, "_load_in_4bit": True, "_load_in_8bit": False,
                  "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": double, "bnb_4bit_compute_dtype": "bfloat16",
                  "bnb_4bit_quant_storage": "uint8", "llm_int8_skip_modules": ["lm_head"], "llm_int8_threshold": 6.0}


FORMS = {"gptq-4bit": gptq(4, 32, False, True), "gptq-8bit": gptq(8, 64, False, False), "gptq-8bit-rows": gptq(8, -1, False, True),
         "gptq-act-order": gptq(4, 32, True, True), "awq": awq(64),
         "packed-int4": packed_integers(4, 32, True, False, BF16), "packed-int4-zeros": packed_integers(4, 64, False, False, F16),
         "packed-int4-act-order": packed_integers(4, 32, True, True, F16), "packed-int8-rows": packed_integers(8, -1, True, False, BF16),
         "int8": int_quantized(True), "int8-zeros": int_quantized(False), "fp8-channel": fp8_channel(), "fp8-tensor": fp8_tensor(),
         "nvfp4": modelopt_nvfp4(), "packed-nvfp4": compressed_nvfp4(), "packed-mxfp4": compressed_mxfp4(),
         "nf4": bitsandbytes(False), "nf4-double": bitsandbytes(True),
         "deepseek-nvfp4": modelopt_nvfp4(), "deepseek-act-order": gptq(4, 32, True, True)}


COMMON = {"vocab_size": VOCABULARY, "hidden_size": HIDDEN, "num_attention_heads": HEADS, "num_key_value_heads": KEY_HEADS,
          "intermediate_size": INNER, "hidden_act": "silu", "max_position_embeddings": 128, "rope_theta": 10000, "rms_norm_eps": 1e-06,
          "tie_word_embeddings": False, "bos_token_id": 0, "eos_token_id": 1}


def swiglu(prefix, inner):
    return {f"{prefix}.gate_proj": (inner, HIDDEN), f"{prefix}.up_proj": (inner, HIDDEN), f"{prefix}.down_proj": (HIDDEN, inner)}


def llama(rng):
    """Its config, shapes of its linear weights, and other tensors."""
    config = {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "num_hidden_layers": 1, "head_dim": HEAD, **COMMON}
    attention = {"q_proj": (HEADS * HEAD, HIDDEN), "k_proj": (KEY_HEADS * HEAD, HIDDEN), "v_proj": (KEY_HEADS * HEAD, HIDDEN),
                 "o_proj": (HIDDEN, HEADS * HEAD)}
    linear = {f"model.layers.0.self_attn.{name}": shape for name, shape in attention.items()} | swiglu("model.layers.0.mlp", INNER)
    return config, linear, {}


def deepseek(rng):
    """A dense layer and one of experts, of which one is not quantised."""
    config = {"architectures": ["DeepseekV3ForCausalLM"], "model_type": "deepseek_v3", "num_hidden_layers": 2, "first_k_dense_replace": 1,
              "moe_layer_freq": 1, "q_lora_rank": None, "kv_lora_rank": LATENT, "qk_nope_head_dim": NOPE, "qk_rope_head_dim": ROPE,
              "v_head_dim": NOPE, "n_routed_experts": EXPERTS, "n_shared_experts": 1, "num_experts_per_tok": 2, "n_group": 2, "topk_group": 1,
              "topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": True, "routed_scaling_factor": 2.5,
              "moe_intermediate_size": EXPERT_INNER, "rope_scaling": None, "attention_bias": False, **COMMON}
    attention = {"q_proj": (HEADS * (NOPE + ROPE), HIDDEN), "kv_a_proj_with_mqa": (LATENT + ROPE, HIDDEN),
                 "kv_b_proj": (HEADS * 2 * NOPE, LATENT), "o_proj": (HIDDEN, HEADS * NOPE)}
    linear = {f"model.layers.{i}.self_attn.{name}": shape for i in range(2) for name, shape in attention.items()}
    linear |= swiglu("model.layers.0.mlp", INNER) | swiglu("model.layers.1.mlp.shared_experts", EXPERT_INNER)
    plain = {"model.layers.1.mlp.gate.weight": rng.standard_normal((EXPERTS, HIDDEN)).astype(BF16),
             "model.layers.1.mlp.gate.e_score_correction_bias": rng.standard_normal(EXPERTS).astype(F32)}
    for i in range(EXPERTS):
        expert = swiglu(f"model.layers.1.mlp.experts.{i}", EXPERT_INNER)
        if i == 1:
            plain |= {f"{name}.weight": (0.1 * rng.standard_normal(shape)).astype(BF16) for name, shape in expert.items()}
        else:
            linear |= expert
    plain |= {f"model.layers.{i}.self_attn.kv_a_layernorm.weight": np.ones(LATENT, BF16) for i in range(2)}
    return config, linear, plain


def main():
    for seed, (name, (form, quantization)) in enumerate(FORMS.items()):
        rng = np.random.default_rng(seed)
        folder = HERE / name
        folder.mkdir(exist_ok=True)
        config, linear, plain = (deepseek if name.startswith("deepseek") else llama)(rng)
        if quantization is None:
            said = {"producer": {"name": "modelopt", "version": "0.29.0"},
                    "quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": None, "group_size": 16, "exclude_modules": ["lm_head"]}}
            (folder / "hf_quant_config.json").write_text(json.dumps(said, indent=1) + "\n")
        else:
            config["quantization_config"] = quantization
        (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
        tensors = {"model.embed_tokens.weight": rng.standard_normal((VOCABULARY, HIDDEN)).astype(BF16),
                   "lm_head.weight": rng.standard_normal((VOCABULARY, HIDDEN)).astype(BF16), "model.norm.weight": np.ones(HIDDEN, BF16), **plain}
        for i in range(config["num_hidden_layers"]):
            for norm in ("input_layernorm", "post_attention_layernorm"):
                tensors[f"model.layers.{i}.{norm}.weight"] = np.ones(HIDDEN, BF16)
        expected = {}
        for module, (rows, cols) in linear.items():
            parts, values = form(rng, rows, cols)
            for part, array in parts.items():
                tensors[f"{module}.{part}"] = array
            if module in EXPECTED:
                expected[f"{module}.weight"] = values.astype(F32)
        save(folder / "model.safetensors", tensors)
        save(folder / "expected.safetensors", expected)


main()
