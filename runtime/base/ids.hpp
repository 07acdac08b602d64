// Names for the integers that rooms hand to each other.
#pragma once

#include <cstdint>

namespace troupe {

using TokenId = std::int32_t;
constexpr TokenId no_token = -1;   // where the logits are no numbers, or none may come
constexpr TokenId no_mask = -2;    // where it would take too long to say which may come
using SequenceId = std::uint64_t;  // one choice of one request; unique within a replica's life
using StepId = std::uint64_t;
using Epoch = std::uint64_t;    // membership of the replica; only grows
using GroupId = std::uint32_t;  // attention group
using BlockId = std::int32_t;   // KV block within an attention group

}  // namespace troupe
