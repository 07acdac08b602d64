// Words in place of those that a recorded schedule does not keep: equal where blocks were equal, and nowhere else. Plain value;
// any thread may read it.
#pragma once

#include <unordered_map>

#include "runtime/lab/content.hpp"
#include "runtime/scheduling/recording/recorded_event.hpp"

namespace troupe::runtime::lab {

class RecordedWords {
 public:
  explicit RecordedWords(const std::vector<RecordedEvent>& events) {
    for (const RecordedEvent& event : events) {
      if (const auto* began = std::get_if<CycleBegan>(&event.what))
        block_size_ = std::max(began->limits.block_size, 1);
      if (const auto* submitted = std::get_if<RecordedSubmission>(&event.what))
        for (std::size_t i = 0; i < submitted->blocks.size(); ++i)
          name(submitted->sequence, i, submitted->blocks[i]);
      if (const auto* result = std::get_if<RecordedResult>(&event.what))
        for (const NamedBlock& each : result->named)
          if (each.index >= 0) name(each.sequence, std::size_t(each.index), each.name);
    }
  }

  std::int32_t block_size() const { return block_size_; }
  // Of a sequence's block: what its words are the first ones of.
  ContentId content(SequenceId sequence, std::int32_t block) const {
    const auto found = names_.find(sequence);
    const bool named = found != names_.end() && std::size_t(block) < found->second.size();
    const BlockName name = named ? found->second[std::size_t(block)] : 0;
    return name != 0 ? name : mixed(sequence) + std::uint64_t(block);
  }
  TokenId at(SequenceId sequence, std::int32_t position) const {
    return token_of(content(sequence, position / block_size_), std::uint64_t(position % block_size_));
  }

 private:
  void name(SequenceId sequence, std::size_t block, BlockName name) {
    constexpr std::size_t most_blocks = 1 << 24;  // of a sequence
    auto& names = names_[sequence];
    if (block >= most_blocks) return;
    if (names.size() <= block) names.resize(block + 1);
    names[block] = name;
  }

  std::int32_t block_size_ = 1;  // tokens
  std::unordered_map<SequenceId, std::vector<BlockName>> names_;
};

}  // namespace troupe::runtime::lab
