#include "model/tokenizer/byte_pair_encoding.hpp"

#include <algorithm>
#include <functional>

namespace troupe::model {
namespace {

constexpr std::size_t none = static_cast<std::size_t>(-1);
constexpr TokenId gone = -2;

// By the first byte of a valid one.
std::size_t character_bytes(char first) {
  const auto byte = static_cast<unsigned char>(first);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

}  // namespace

void BytePairEncoding::add_merge(TokenId left, TokenId right, TokenId merged, int rank) {
  merges_.insert_or_assign(pair(left, right), Merge{rank, merged});
}

const BytePairEncoding::Merge* BytePairEncoding::find(TokenId left, TokenId right) const {
  const auto found = merges_.find(pair(left, right));
  return found == merges_.end() ? nullptr : &found->second;
}

// Queues the merge of symbol `left` with the one after it, if there is such a merge.
void BytePairEncoding::consider(std::size_t left, Workspace& workspace) const {
  if (left == none) return;
  const auto& symbol = workspace.symbols_[left];
  if (symbol.next == none) return;
  const Merge* merge = find(symbol.token, workspace.symbols_[symbol.next].token);
  if (merge == nullptr) return;
  workspace.heap_.push_back({merge->rank, left, merge->merged});
  std::push_heap(workspace.heap_.begin(), workspace.heap_.end(), std::greater<>());
}

// The symbols of a word before anything has merged.
void BytePairEncoding::begin(std::string_view word, Workspace& workspace) const {
  auto& symbols = workspace.symbols_;
  symbols.clear();
  for (std::size_t at = 0, size = 1; at < word.size(); at += size) {
    if (!characters_.empty()) size = character_bytes(word[at]);
    const std::string_view character = word.substr(at, size);
    if (const auto whole = characters_.find(packed(character)); whole != characters_.end()) {
      workspace.add(whole->second);
    } else if (std::ranges::all_of(character, [&](unsigned char c) { return byte_tokens_[c] != no_token; })) {
      for (const unsigned char byte : character) workspace.add(byte_tokens_[byte]);
    } else {
      begin_unknown(workspace);
    }
  }
  if (!symbols.empty()) symbols.back().next = none;  // and the first has none before it: 0 - 1
}

// As Hugging Face's BPE, where what is left out parts nothing, or llama.cpp's, where it does.
void BytePairEncoding::begin_unknown(Workspace& workspace) const {
  const auto& symbols = workspace.symbols_;
  const bool again = !symbols.empty() && symbols.back().token == unknown_;
  if (unknown_ != no_token && !(fuses_unknown_ && again)) workspace.add(unknown_);
  if (unknown_ == no_token && parts_at_unknown_) workspace.add(gone);
}

void BytePairEncoding::encode(std::string_view word, Workspace& workspace,
                              std::vector<TokenId>& tokens) const {
  if (!words_.empty()) {
    if (const auto whole = words_.find(std::string(word)); whole != words_.end()) {
      tokens.push_back(whole->second);
      return;
    }
  }
  auto& symbols = workspace.symbols_;
  auto& heap = workspace.heap_;
  begin(word, workspace);
  for (std::size_t i = 0; i < symbols.size(); ++i) consider(i, workspace);
  while (!heap.empty()) {
    std::pop_heap(heap.begin(), heap.end(), std::greater<>());
    const auto best = heap.back();
    heap.pop_back();
    auto& left = symbols[best.left];
    if (left.token == gone || left.next == none) continue;
    auto& right = symbols[left.next];
    const Merge* merge = find(left.token, right.token);
    if (merge == nullptr || merge->merged != best.merged) continue;  // one of the two has merged since
    left.token = best.merged;
    right.token = gone;
    left.next = right.next;
    if (left.next != none) symbols[left.next].previous = best.left;
    consider(left.previous, workspace);
    consider(best.left, workspace);
  }
  for (const auto& symbol : symbols) {
    if (symbol.token != gone) tokens.push_back(symbol.token);
  }
}

}  // namespace troupe::model
