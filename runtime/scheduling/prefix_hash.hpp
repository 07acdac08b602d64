// Names for the content of full KV blocks: a SHA-256 chain, so that equal names mean equal prefixes.
// Pure functions; any thread.
#pragma once

#include <span>
#include <string_view>

#include "runtime/scheduling/blocks.hpp"

namespace troupe::runtime {

// Which arithmetic computed a block's positions; blocks of
// different arithmetic have different bytes and must not be shared.
enum class ArithmeticClass : std::uint8_t { decode };

// What stands before the first block. salt separates the caches of callers; may be empty.
BlockHash prefix_root(std::string_view salt);
// The block that follows `parent` (or the root) and holds `tokens`.
BlockHash prefix_hash(const BlockHash& parent, ArithmeticClass arithmetic, std::span<const TokenId> tokens);

}  // namespace troupe::runtime
