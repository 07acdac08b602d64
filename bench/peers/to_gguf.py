"""llama.cpp's converter, without the tokenizer: benches give token ids, and a random checkpoint has none.

  build/peers/vllm/bin/python bench/peers/to_gguf.py CHECKPOINT --outtype q8_0 --outfile FILE
"""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "build/peers/llama-sources/vendor/llama.cpp"))
import convert_hf_to_gguf
from conversion.deepseek import DeepseekV2Model

DeepseekV2Model.set_vocab = DeepseekV2Model._set_vocab_none
convert_hf_to_gguf.main()
