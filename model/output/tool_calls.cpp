#include "model/output/tool_calls.hpp"

#include <algorithm>
#include <utility>

#include "runtime/base/utf8.hpp"

namespace troupe::model {

std::string_view trimmed(std::string_view text) {
  const auto begin = std::min(text.find_first_not_of(blanks), text.size());
  return text.substr(begin, text.find_last_not_of(blanks) + 1 - begin);
}

void CallName::add(std::string_view text) {
  // One byte more than the limit shows whether the limit cuts a character.
  text_ += text.substr(0, max_bytes + 1 - std::min(max_bytes + 1, text_.size()));
}

std::string CallName::take() {
  if (text_.size() > max_bytes) text_.resize(character_to(text_, max_bytes));
  return std::exchange(text_, {});
}

void ToolCallWriter::begin(std::string name, std::string id) {
  pieces_.push_back({started_++, true, std::move(name), "", std::move(id)});
}

void ToolCallWriter::arguments(std::string_view text) {
  if (text.empty()) return;
  if (pieces_.empty()) pieces_.push_back({started_ - 1, false, "", "", ""});
  pieces_.back().arguments += text;
}

void ToolCallWriter::end() {
  ++finished_;
}

std::vector<ToolCallPiece> ToolCallWriter::take() {
  return std::exchange(pieces_, {});
}

}  // namespace troupe::model
