#include "model/grammar/grammar_limits.hpp"

#include <nlohmann/json.hpp>
#include <string>

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
  int depth = 0, deepest = 0;

  bool within() const { return nodes <= max_grammar_nodes && deepest <= 2 * max_schema_depth; }
  bool operator()(int depth, Json::parse_event_t event, Json&) {
    if (event != Json::parse_event_t::key) ++nodes;
    deepest = std::max(deepest, depth);
    return within();
  }
};

Expected<Json> parse(const std::string& text) try {
  Reading reading;
  Json value = Json::parse(text, std::ref(reading));
  if (reading.nodes > max_grammar_nodes)
    return too_large("it has over " + std::to_string(max_grammar_nodes) + " values");
  if (!reading.within())
    return too_large("it nests deeper than " + std::to_string(max_schema_depth) + " levels");
  return value;
} catch (const Json::parse_error& error) {
  return refuse("the grammar is not JSON: byte " + std::to_string(error.byte));
}

bool is_choices(const Json& value) {
  return value.is_array() && !value.empty() &&
         std::ranges::all_of(value, [](const Json& one) { return one.is_string() && !one.empty(); });
}

}  // namespace

Expected<void> check_limits(const GrammarSpec& spec) {
  if (spec.text.size() > max_grammar_bytes)
    return too_large("it has over " + std::to_string(max_grammar_bytes) + " bytes");
  switch (spec.kind) {
    case GrammarSpec::Kind::json_object:
    case GrammarSpec::Kind::ebnf:
      return {};
    case GrammarSpec::Kind::regex:
      return check_regex(spec.text);
    case GrammarSpec::Kind::choice:
    case GrammarSpec::Kind::json_schema:
    case GrammarSpec::Kind::tool_calls:
      break;
  }
  const auto value = parse(spec.text);
  if (!value) return tl::unexpected(value.error());
  if (spec.kind == GrammarSpec::Kind::choice && !is_choices(*value))
    return refuse("choices must be a list of texts, none of them empty");
  return {};
}

}  // namespace troupe::model
