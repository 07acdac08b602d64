// What a bench asks a server: prompts with the lengths of their answers. Plain functions, any thread; the
// names are those of `vllm bench serve`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "model/tokenizer/tokenizer.hpp"
#include "runtime/base/error.hpp"

namespace troupe::launch::load {

struct Sample {
  std::variant<std::string, std::vector<TokenId>> prompt;
  std::int32_t output_len = 0;         // tokens
  std::optional<double> arrival = {};  // seconds from the trace's first; only traces know it
};

struct RandomLengths {
  std::int32_t input_len = 1024, output_len = 128, prefix_len = 0;  // tokens; the prefix is shared by all
  double range_ratio = 0;  // lengths are uniform within len * (1 - ratio) and len * (1 + ratio)
};

struct PrefixRepetition {
  std::int32_t prefix_len = 256, suffix_len = 256, num_prefixes = 10, output_len = 128;  // tokens
};

// Prompts of random tokens, none of them special. The same seed draws the same ones.
std::vector<Sample> random_samples(const model::Tokenizer& tokenizer, const RandomLengths& lengths,
                                   std::int32_t count, std::uint64_t seed);

// Each of the prefixes stands before equally many suffixes of their own; in random order.
std::vector<Sample> prefix_repetition_samples(const model::Tokenizer& tokenizer,
                                              const PrefixRepetition& lengths, std::int32_t count,
                                              std::uint64_t seed);

// The first rows of a CSV file "arrived_at,num_prefill_tokens,num_decode_tokens", as many as there are up to
// count, with prompts of random tokens. Throws Error that names the line at fault.
std::vector<Sample> trace_samples(const model::Tokenizer& tokenizer, const std::filesystem::path& file,
                                  std::int32_t count, std::uint64_t seed);

// The first lines of a file of JSON lines {"prompt": text, "output_tokens": N}; without the latter the answer
// has output_len tokens. Throws Error that names the line at fault.
std::vector<Sample> custom_samples(const std::filesystem::path& file, std::int32_t output_len,
                                   std::int32_t count);

}  // namespace troupe::launch::load
