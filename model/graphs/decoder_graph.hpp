// The graph of a decoder: attention of any kind, then dense layers or layers of routed and shared experts; with a
// prediction layer as DeepSeek V3 has it (DeepSeek-AI 2024, "DeepSeek-V3 Technical Report"). Reached through load_decoder.
#pragma once

#include "model/architecture.hpp"
#include "model/graphs/attention.hpp"

namespace troupe::model {

// As Architecture::load, with the family's attention.
std::unique_ptr<Decoder> load_decoder_graph(const DecoderOrder& order, const AttentionKind& attention);
// As Architecture::measure.
DecoderMemory measure_decoder_graph(const DecoderOrder& order, const AttentionKind& attention);

}  // namespace troupe::model
