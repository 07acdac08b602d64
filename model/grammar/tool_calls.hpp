// The grammar of an answer that must call tools, in the words of each DeepSeek. Any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "model/tokenizer/tokenizer.hpp"
#include "runtime/base/grammar_spec.hpp"

namespace troupe::model {

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

// The same for the engine: a format of its structural tags. calls: the text of such a spec, read. Markers that are
// tokens of the tokenizer stand there as these tokens, others as text.
nlohmann::ordered_json tool_calls_format(const nlohmann::ordered_json& calls, const Tokenizer& tokenizer);

}  // namespace troupe::model
