// The fields that say what an answer must look like: OpenAI's response_format, vLLM's structured_outputs and its older
// guided_*, and SGLang's regex, ebnf and json_schema. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "actors/edge/answer.hpp"
#include "actors/edge/request_fields.hpp"
#include "runtime/base/grammar_spec.hpp"

namespace troupe::actors::edge {

struct StructuredOutput {
  GrammarSpec grammar;
  std::string field;  // that says so
};

// Nothing: any text will do, or there is a fault, which is kept in fields. One way of saying it at most.
std::optional<StructuredOutput> read_structured_output(RequestFields& fields);

// What an answer must look like, beside a tool that must be called: there would be no such answer.
void refuse_beside_forced_call(RequestFields& fields, const ApiRequest& request);

// A schema that stands in a field of this name, as an object, a boolean or JSON's text of one.
std::optional<GrammarSpec> read_schema(RequestFields& fields, std::string_view name);

}  // namespace troupe::actors::edge
