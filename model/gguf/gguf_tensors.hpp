// The tensors of a GGUF file under the names that checkpoints in Hugging Face's layout have them under, each as the rows
// and columns of one matrix. Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "model/checkpoint/expected_tensors.hpp"
#include "model/gguf/gguf_file.hpp"

namespace troupe::model {

// Stacked experts come out one by one. A tensor without a published name keeps its own. files: a whole set of which
// gguf_config can make a config. Throws Error, with the tensor's name, for shapes that contradict the keys.
LocatedTensors gguf_tensors(const std::vector<GgufFile>& files);

// "model.layers.3.mlp.gate_proj.weight" for "blk.3.ffn_gate.weight"; the name itself if it is known by no other. Of
// stacked experts the name has a # where the number of the expert goes.
std::string published_name(std::string_view gguf_name);
// The other way round; empty: the format has no name for it. expert: of a stacked one, its number; else -1.
std::string gguf_name(std::string_view published, std::int64_t& expert);

}  // namespace troupe::model
