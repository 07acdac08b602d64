// How a chat template takes the arguments of calls in a history: as the text that clients send, which DeepSeek's own
// join to theirs, or as a mapping, which others print with `tojson` or walk through. Any thread.
#pragma once

#include <nlohmann/json.hpp>

#include "model/jinja/chat_template.hpp"

namespace troupe::model {

// Found by rendering a history with either. variables: the checkpoint's own.
bool takes_mappings(const ChatTemplate& chat_template, const nlohmann::ordered_json& variables);

// messages: array, whose calls have their arguments as text; there, none is an empty object. Refuses arguments that
// are no JSON object.
Expected<nlohmann::ordered_json> with_mappings(nlohmann::ordered_json messages);

}  // namespace troupe::model
