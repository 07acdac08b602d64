// The grammar of calls, in the words of each model: of an answer that must call tools, or of what it must keep to where it
// does. Any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <string>

#include "model/output/tool_calls.hpp"
#include "model/tokenizer/tokenizer.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/grammar_spec.hpp"

namespace troupe::model {

struct CallOpening;

struct CallableTool {
  std::string name;
  nlohmann::ordered_json parameters;  // the schema of its arguments; null: any object
};

// One call, or several of any of the tools in a row, and nothing else. A named tool is a list of one.
GrammarSpec tool_call_grammar(ToolCallSyntax form, std::span<const CallableTool> tools, bool several);

// Any text in which such calls may stand: what is held to the grammar is what stands between their opening and their
// closing. may_think: the text may begin with thoughts, in which there are no calls. Of Llama's form it is the whole answer:
// calls, or a text that no call begins.
GrammarSpec free_call_grammar(ToolCallSyntax form, std::span<const CallableTool> tools, bool several,
                              bool may_think);

// How they begin there; nothing: the spec is of something else, or of a whole answer. Refuses a form of which the tokenizer has
// no token, and Llama's where the model may think.
Expected<std::optional<CallOpening>> opening_of_calls(const GrammarSpec& spec, const Tokenizer& tokenizer);

// The token that stands in the end of a call, or of a parameter, or begins a call anywhere: what is written in calls may not
// spell it. Nothing: the spec is of
// something else, or the tokenizer has none.
std::optional<TokenId> token_in_calls(const GrammarSpec& spec, const Tokenizer& tokenizer);

// The same for the engine: a format of its structural tags. calls: the text of such a spec, read. Markers that are
// tokens of the tokenizer stand there as these tokens, others as text. Of calls that may come it is a row of any number
// of them, each from the token of its opening on.
nlohmann::ordered_json tool_calls_format(const nlohmann::ordered_json& calls, const Tokenizer& tokenizer);

}  // namespace troupe::model
