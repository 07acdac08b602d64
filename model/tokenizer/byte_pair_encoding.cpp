#include "model/tokenizer/byte_pair_encoding.hpp"

#include <algorithm>
#include <functional>

namespace troupe::model {
namespace {

constexpr std::size_t none = static_cast<std::size_t>(-1);
constexpr TokenId gone = -1;

}  // namespace

void BytePairEncoding::add_merge(TokenId left, TokenId right, TokenId merged) {
  merges_.insert_or_assign(pair(left, right), Merge{next_rank_++, merged});
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
  symbols.clear();
  for (std::size_t i = 0; i < word.size(); ++i) {
    symbols.push_back({byte_tokens_[static_cast<unsigned char>(word[i])], i == 0 ? none : i - 1,
                       i + 1 == word.size() ? none : i + 1});
  }
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
