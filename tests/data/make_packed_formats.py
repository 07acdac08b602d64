#!/usr/bin/env python3
"""Writes packed_formats.txt: blocks of the types that kernels/block_formats.hpp has besides GGUF's, and their values by numpy.

A line a type: its name, bytes, and bits of values, in hexadecimal. Blocks of random bytes, then of edges: steps that are
zero, the least and the largest there are, zeros at both ends. Needs numpy and ml_dtypes.
"""
import pathlib

import ml_dtypes
import numpy as np

F32 = np.float32
NF4 = np.array([-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635, -0.18477343022823334,
                -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224,
                0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0], F32)
EDGES = [0.0, 1.0, -1.0, 2.0**-149, 2.0**-126, 3e-41, 1.2e36, -0.0]
rng = np.random.default_rng(1)


def bits_of(values):
    return np.asarray(values, F32).view(np.uint32)


def nibbles(codes):
    """[..., 32 n] -> bytes: column c of 32 with column c + 16."""
    pairs = codes.reshape(-1, 2, 16)
    return (pairs[:, 0] | pairs[:, 1] << 4).astype(np.uint8).tobytes()


def integers(bits, columns):
    steps = np.concatenate([rng.standard_normal(6), EDGES]).astype(F32)
    for i, step in enumerate(steps):
        code = rng.integers(0, 1 << bits, columns)
        code[:2] = 0, (1 << bits) - 1
        zero = [1 << bits - 1, 0, (1 << bits) - 1, 7][i % 4]
        packed = nibbles(code) if bits == 4 else (code - 128).astype(np.int8).tobytes()
        header = step.tobytes() + bytes([zero if bits == 4 else (zero - 128) % 256])
        yield header + packed, (code - zero).astype(F32) * step


def bf16_integers():
    for step in np.concatenate([rng.standard_normal(6), EDGES]).astype(ml_dtypes.bfloat16):
        code = rng.integers(0, 16, 32)
        yield step.tobytes() + nibbles(code), (code - 8).astype(F32) * step.astype(F32)


def e2m1(code):
    return code.astype(np.uint8).view(ml_dtypes.float4_e2m1fn).astype(F32)


def mxfp4():
    for exponent in [127, 120, 130, 0, 1, 2, 252]:
        code = np.concatenate([np.arange(16), rng.integers(0, 16, 16)])
        scale = np.array([exponent], np.uint8).view(ml_dtypes.float8_e8m0fnu).astype(F32)
        yield bytes([exponent]) + nibbles(code), e2m1(code) * scale


def nvfp4():
    for pair in [(56, 64), (0, 1), (7, 8), (126, 254), (128, 129), (255 - 128 - 3, 90)]:
        code = np.concatenate([np.arange(16), rng.integers(0, 16, 16)])
        scale = np.array(pair, np.uint8).view(ml_dtypes.float8_e4m3fn).astype(F32)
        yield bytes(pair) + nibbles(code), e2m1(code) * np.repeat(scale, 16)


def nf4():
    for step in np.concatenate([rng.standard_normal(4), EDGES]).astype(F32):
        code = np.concatenate([np.arange(16), rng.integers(0, 16, 48)])
        yield step.tobytes() + nibbles(code), NF4[code] * step


with open(pathlib.Path(__file__).parent / "packed_formats.txt", "w") as out:
    for name, blocks in [("i4_32", integers(4, 32)), ("i4_128", integers(4, 128)), ("i8_32", integers(8, 32)),
                         ("i8_128", integers(8, 128)), ("i4_bf16", bf16_integers()), ("mxfp4", mxfp4()), ("nvfp4", nvfp4()),
                         ("nf4", nf4())]:
        stored, values = zip(*blocks)
        print(name, b"".join(stored).hex(), "".join(f"{bits:08x}" for bits in bits_of(np.concatenate(values))), file=out)
