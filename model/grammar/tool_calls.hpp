// The grammar of calls, in the words of each DeepSeek: of an answer that must call tools, or of what it must keep to where it
// does. Any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "model/tokenizer/tokenizer.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/grammar_spec.hpp"

namespace troupe::model {

struct CallOpening;

enum class ToolCallSyntax : std::uint8_t {
  fenced,  // V3, R1: <｜tool▁call▁begin｜>function<｜tool▁sep｜>NAME, then the arguments in a ```json block
  bare,  // V3.1: <｜tool▁call▁begin｜>NAME<｜tool▁sep｜>ARGUMENTS<｜tool▁call▁end｜>
  dsml,  // V3.2: <｜DSML｜invoke name="NAME"> with a <｜DSML｜parameter> for each argument
};

struct CallableTool {
  std::string name;
  nlohmann::ordered_json parameters;  // the schema of its arguments; null: any object
};

// One call, or several of any of the tools in a row, and nothing else. A named tool is a list of one.
GrammarSpec tool_call_grammar(ToolCallSyntax form, std::span<const CallableTool> tools, bool several);

// Any text in which such calls may stand: what is held to the grammar is what stands between their opening and their
// closing. may_think: the text may begin with thoughts, in which there are no calls.
GrammarSpec free_call_grammar(ToolCallSyntax form, std::span<const CallableTool> tools, bool several,
                              bool may_think);

// How they begin there; nothing: the spec is of something else. Refuses a form of which the tokenizer has no token.
Expected<std::optional<CallOpening>> opening_of_calls(const GrammarSpec& spec, const Tokenizer& tokenizer);

// The same for the engine: a format of its structural tags. calls: the text of such a spec, read. Markers that are
// tokens of the tokenizer stand there as these tokens, others as text. Of calls that may come it is a row of any number
// of them, each from the token of its opening on.
nlohmann::ordered_json tool_calls_format(const nlohmann::ordered_json& calls, const Tokenizer& tokenizer);

}  // namespace troupe::model
