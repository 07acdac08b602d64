// What is told of a server's answer to whoever asked it. Any thread.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace troupe::launch {

// What a terminal may be shown of a text from the network.
std::string one_line(std::string text);

// The message of OpenAI's error object, behind a colon; empty if the answer has none.
std::string reason_of(const nlohmann::ordered_json& answer);

// The first that a page of /v1/models names. Throws Error that names the server.
std::string first_model(const std::string& page, const std::string& server);

}  // namespace troupe::launch
