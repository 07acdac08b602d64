#include "launch/extra_body.hpp"

#include "config/setting.hpp"

namespace troupe::launch {

nlohmann::ordered_json parse_extra_body(const std::string& text) {
  auto extra = nlohmann::ordered_json::parse(text, nullptr, false);
  if (!extra.is_object()) throw config::UsageError("is no JSON object", "--extra-body");
  for (const char* own : {"model", "messages", "prompt", "stream"})
    if (extra.contains(own))
      throw config::UsageError("has '" + std::string(own) + "', which the command sets itself",
                               "--extra-body", "leave it out");
  return extra;
}

}  // namespace troupe::launch
