// How a chat template takes calls in a history: their arguments as the text that clients send, which DeepSeek's own
// join to theirs, or as a mapping, which others print with `tojson` or walk through; the content beside them, which is null
// where there is none, or a text; and in which form it prints them. Any thread.
#pragma once

#include <nlohmann/json.hpp>

#include "model/jinja/chat_template.hpp"
#include "model/output/tool_calls.hpp"

namespace troupe::model {

// Found by rendering a history with either. variables: the checkpoint's own.
bool takes_mappings(const ChatTemplate& chat_template, const nlohmann::ordered_json& variables);
// False: it fails at a null, and does not at an empty text, as Qwen 3's.
bool takes_null_content(const ChatTemplate& chat_template, const nlohmann::ordered_json& variables);

// The form of the calls in such a history, printed; bare, if it has none of the others.
ToolCallSyntax printed_syntax(const ChatTemplate& chat_template, const nlohmann::ordered_json& variables);

// messages: array, whose calls have their arguments as text; there, none is an empty object. Refuses arguments that
// are no JSON object.
Expected<nlohmann::ordered_json> with_mappings(nlohmann::ordered_json messages);
// messages: array; content that is null is an empty text there.
nlohmann::ordered_json with_texts(nlohmann::ordered_json messages);

}  // namespace troupe::model
