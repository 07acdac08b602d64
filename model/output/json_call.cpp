#include "model/output/json_call.hpp"

#include <nlohmann/json.hpp>
#include <utility>

namespace troupe::model {
namespace {

bool is_blank(char c) {
  return blanks.find(c) != blanks.npos;
}

}  // namespace

std::size_t JsonCall::read(std::string_view text, ToolCallWriter& calls) {
  if (!going_on()) return 0;
  std::size_t taken = 0;
  const bool began_in_string = in_string();
  while (taken < text.size() && going_on() && in_string() == began_in_string) {
    const bool was_open = verdict_ == Verdict::open;
    if (!take(text[taken], calls)) continue;  // it ended a word, and is of what follows
    if (was_open) seen_ += text[taken];
    ++taken;
  }
  if (verdict_ == Verdict::called || verdict_ == Verdict::over) {
    calls.arguments(std::exchange(arguments_, {}));
    seen_.clear();
  }
  if (verdict_ == Verdict::over) calls.end();
  return taken;
}

// False: the character is to be taken once more.
bool JsonCall::take(char c, ToolCallWriter& calls) {
  if (place_ == Place::key_text) {
    if (take_of_literal(c)) end_key();
    return true;
  }
  if (place_ == Place::in_value) return take_of_value(c, calls);
  if (is_blank(c)) return true;
  if (place_ == Place::value) {
    begin_value(c, calls);
  } else if (place_ == Place::before && c == '{') {
    place_ = Place::key;
  } else if (place_ == Place::key && c == '"') {
    place_ = Place::key_text;
    literal_ = c;
  } else if (place_ == Place::colon && c == ':') {
    place_ = Place::value;
  } else if (place_ == Place::behind_value && c == ',') {
    place_ = Place::key;
  } else {
    give_up();
  }
  return true;
}

// The object ends, as it should or not.
void JsonCall::give_up() {
  verdict_ = verdict_ == Verdict::called ? Verdict::over : Verdict::none;
}

// True: the string ends.
bool JsonCall::take_of_literal(char c) {
  literal_ += c;
  if (literal_.size() > max_literal_bytes) give_up();
  return !std::exchange(escaped_, c == '\\' && !escaped_) && c == '"';
}

void JsonCall::end_key() {
  role_ = Role::other;
  if (literal_ == R"("name")" && !named_) role_ = Role::name;
  const bool of_arguments = literal_ == R"("arguments")" || literal_ == R"("parameters")";
  if (of_arguments && !has_arguments_) role_ = Role::arguments;
  place_ = Place::colon;
}

void JsonCall::begin_value(char c, ToolCallWriter& calls) {
  const bool wrong = (role_ == Role::name && c != '"') || (role_ == Role::arguments && c != '{');
  if (wrong || c == ',' || c == ':' || c == '}' || c == ']') return give_up();
  place_ = Place::in_value;
  in_string_ = c == '"';
  depth_ = c == '{' || c == '[';
  is_word_ = !in_string_ && depth_ == 0;
  literal_ = c;
  if (role_ != Role::arguments) return;
  has_arguments_ = true;
  arguments_ = c;
  if (named_) {
    calls.begin(name_.take());
    verdict_ = Verdict::called;
  }
}

bool JsonCall::take_of_value(char c, ToolCallWriter& calls) {
  if (is_word_ && (is_blank(c) || c == ',' || c == '}')) {
    end_value(calls);
    return false;
  }
  if (role_ == Role::arguments) arguments_ += c;
  if (role_ == Role::name) {
    if (take_of_literal(c)) end_value(calls);
    return true;
  }
  if (in_string_) {
    if (!std::exchange(escaped_, c == '\\' && !escaped_) && c == '"') in_string_ = false;
  } else if (c == '"') {
    in_string_ = true;
  } else {
    depth_ += (c == '{' || c == '[') - (c == '}' || c == ']');
  }
  if (!in_string_ && depth_ == 0 && !is_word_) end_value(calls);
  return true;
}

void JsonCall::end_value(ToolCallWriter& calls) {
  place_ = Place::behind_value;
  if (role_ != Role::name || !going_on()) return;
  const auto name = nlohmann::json::parse(literal_, nullptr, false);
  if (!name.is_string()) return give_up();
  named_ = true;
  name_.add(name.get_ref<const std::string&>());
  if (!has_arguments_) return;
  calls.begin(name_.take());
  verdict_ = Verdict::called;
}

}  // namespace troupe::model
