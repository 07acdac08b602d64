// Whether a chat template tells the model of tools. Any thread.
#pragma once

#include <nlohmann/json.hpp>

#include "model/jinja/chat_template.hpp"

namespace troupe::model {

// Tries it: false if short chats come out the same with a tool and without. variables: the checkpoint's own.
bool prints_tools(const ChatTemplate& chat_template, const nlohmann::ordered_json& variables);

}  // namespace troupe::model
