#include "model/grammar/grammar_limits.hpp"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/grammar/regex_check.hpp"

namespace troupe::model {
namespace {

using Json = nlohmann::ordered_json;

tl::unexpected<Refusal> too_large(const std::string& what) {
  return refuse("the grammar is too large: " + what, {}, "grammar_too_large");
}

// Counts values while it reads them, so that what is too large is never built.
struct Reading {
  std::size_t nodes = 0;
  int deepest = 0;
  std::size_t comparisons = 0;
  std::vector<std::size_t> keys{};  // of the objects that are open

  bool within() const {
    return nodes <= max_grammar_nodes && deepest <= 2 * max_schema_depth &&
           comparisons <= max_grammar_comparisons;
  }
  bool operator()(int depth, Json::parse_event_t event, Json&) {
    using Event = Json::parse_event_t;
    if (event == Event::value || event == Event::object_start || event == Event::array_start) ++nodes;
    if (event == Event::object_start) keys.push_back(0);
    if (event == Event::key) comparisons += keys.back()++;
    if (event == Event::object_end) keys.pop_back();
    deepest = std::max(deepest, depth);
    return within();
  }
};

Expected<Json> parse(const std::string& text) {
  Reading reading;
  Json value;
  std::string fault;
  try {
    value = Json::parse(text, std::ref(reading));
  } catch (const Json::parse_error& error) {
    fault = "byte " + std::to_string(error.byte);
  } catch (const Json::out_of_range&) {
    fault = "a number in it is too large";
  }
  if (reading.nodes > max_grammar_nodes)
    return too_large("it has over " + std::to_string(max_grammar_nodes) + " values");
  if (reading.comparisons > max_grammar_comparisons) return too_large("an object in it has too many keys");
  if (!reading.within())
    return too_large("it nests deeper than " + std::to_string(max_schema_depth) + " levels");
  if (!fault.empty()) return refuse("the grammar is not JSON: " + fault);
  return value;
}

// Of parentheses, those of regexes in the grammar among them: the engine reads them by recursion.
bool nests_too_deeply(std::string_view grammar) {
  int depth = 0, deepest = 0;
  for (const char c : grammar) {
    depth += c == '(' ? 1 : c == ')' && depth > 0 ? -1 : 0;
    deepest = std::max(deepest, depth);
  }
  return deepest > max_parentheses;
}

bool is_choices(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::ranges::all_of(value, [](const Json& one) { return one.is_string() && one != ""; });
}

}  // namespace

Expected<void> check_limits(const GrammarSpec& spec) {
  if (spec.text->size() > max_grammar_bytes)
    return too_large("it has over " + std::to_string(max_grammar_bytes) + " bytes");
  switch (spec.kind) {
    case GrammarSpec::Kind::json_object:
      return {};
    case GrammarSpec::Kind::ebnf:
      if (!nests_too_deeply(*spec.text)) return {};
      return too_large("it nests deeper than " + std::to_string(max_parentheses) + " parentheses");
    case GrammarSpec::Kind::regex:
      return check_regex(*spec.text);
    case GrammarSpec::Kind::choice:
    case GrammarSpec::Kind::json_schema:
    case GrammarSpec::Kind::tool_calls:
      break;
  }
  const auto value = parse(*spec.text);
  if (!value) return tl::unexpected(value.error());
  if (spec.kind == GrammarSpec::Kind::choice && !is_choices(*value))
    return refuse("choices must be a list of texts, none of them empty");
  return {};
}

}  // namespace troupe::model
