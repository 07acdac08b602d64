// The flag --extra-body of commands that ask a server.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace troupe::launch {

// Fields for each request, of a JSON object. Throws UsageError for what is none, and for fields that the command itself
// sets and depends on.
nlohmann::ordered_json parse_extra_body(const std::string& text);

}  // namespace troupe::launch
