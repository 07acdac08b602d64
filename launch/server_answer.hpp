// What is told of a server's answer to whoever asked it. Any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace troupe::launch {

// What a terminal may be shown of a text from the network, without control characters but for line feeds and tabs. text:
// whole characters.
std::string harmless(std::string_view text);
// Likewise on a line: not too much, and nothing that steers it.
std::string one_line(const std::string& text);

// Whether an object, part of an answer or all of it, tells of an error: null is none.
bool has_error(const nlohmann::ordered_json& object);

// The message of OpenAI's error object, behind a colon; empty if the answer has none.
std::string reason_of(const nlohmann::ordered_json& answer);

// The first that a page of /v1/models names. Throws Error that names the server.
std::string first_model(const std::string& page, const std::string& server);

}  // namespace troupe::launch
