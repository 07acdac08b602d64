// The fields that say what an answer must look like: OpenAI's response_format, vLLM's structured_outputs and its older
// guided_*. Any thread.
#pragma once

#include <optional>

#include "actors/edge/request_fields.hpp"
#include "runtime/base/grammar_spec.hpp"

namespace troupe::actors::edge {

// Nothing: any text will do, or there is a fault, which is kept in fields. One way of saying it at most.
std::optional<GrammarSpec> read_structured_output(RequestFields& fields);

// A schema that stands in a field of this name, as an object, a boolean or JSON's text of one.
std::optional<GrammarSpec> read_schema(RequestFields& fields, std::string_view name);

}  // namespace troupe::actors::edge
