// What an answer must look like, as requests carry it and ranks build matchers from it. Plain values.
#pragma once

#include <cstdint>
#include <string>

#include "runtime/base/shared_value.hpp"

namespace troupe {

struct GrammarSpec {
  enum class Kind : std::uint8_t {
    json_object,  // any JSON object; text is empty
    json_schema,  // text: the schema, an object or a boolean
    regex,        // text: what the whole answer matches, in ECMAScript's syntax
    choice,       // text: a JSON array of strings, one of which is the answer
    ebnf,         // text: GBNF, which begins at the rule `root`
    tool_calls,   // text: what model/grammar/tool_calls.hpp writes
  };
  Kind kind = Kind::json_object;
  SharedValue<std::string> text{};  // which may be long
  bool any_whitespace = true;  // JSON: between its words; else one way of writing it: {"a": 1, "b": [2, 3]}
  bool strict = true;  // JSON schema: an object has what its schema names and nothing else, unless it says so
  // The grammar holds from behind this token on, which the model writes once: "</think>". Until then the answer is
  // free, but it may not end. Empty: from the beginning.
  std::string after = {};
  friend bool operator==(const GrammarSpec&, const GrammarSpec&) = default;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, GrammarSpec& x) {
  return f(x.kind, x.text, x.any_whitespace, x.strict, x.after);
}

// Names a spec where the spec itself would be too long: equal for equal specs, on every rank and in every run.
struct GrammarId {
  std::uint64_t high = 0, low = 0;  // both 0: no grammar
  explicit operator bool() const { return high || low; }
  friend auto operator<=>(const GrammarId&, const GrammarId&) = default;
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, GrammarId& x) {
  return f(x.high, x.low);
}
GrammarId grammar_id(const GrammarSpec& spec);

}  // namespace troupe
