// Traces that others have published, read line by line:
//   arrived_at,num_prefill_tokens,num_decode_tokens             seconds; Vidur's form of Splitwise's traces
//   TIMESTAMP,ContextTokens,GeneratedTokens                     dates; Azure's LLM inference traces of 2023 and 2024
//   Timestamp,...,Request tokens,Response tokens,...            seconds; BurstGPT, whose sessions are its callers
//   {"timestamp": ms, "input_length": .., "output_length": .., "hash_ids": [..]}   Mooncake; an id names 512 tokens and all
//                                                                                  before them
// The first line says which of them a file is. A CSV file may have columns of ours: caller, priority, ttft_slo_ms, tpot_slo_ms and
// latency_slo_ms. Requests without prompt or answer, which some traces have of what failed, are passed over.
#pragma once

#include <filesystem>

#include "runtime/lab/trace.hpp"

namespace troupe::runtime::lab {

constexpr std::size_t most_line_bytes = 1 << 22;  // of a trace
constexpr std::int32_t mooncake_block = 512;      // tokens

// Throws Error for a file that cannot be read, or is none of these.
std::unique_ptr<Trace> open_trace(const std::filesystem::path& file);

}  // namespace troupe::runtime::lab
