#include "launch/server_key.hpp"

#include <algorithm>

#include "launch/server_url.hpp"

namespace troupe::launch {

config::Setting server_key_setting(config::Settings& settings) {
  config::Setting key = config::select(config::schema(settings), {"api-key"}).front();
  key.help =
      "Shown to the server; of several the first. Other users of the machine can read flags: prefer "
      "TROUPE_API_KEY.";
  key.unset = "none is shown";
  return key;
}

std::string server_key(const config::Settings& settings) {
  const std::string key = settings.edge.api_keys.empty() ? "" : settings.edge.api_keys.front();
  if (!std::all_of(key.begin(), key.end(), is_visible))
    throw config::UsageError("a key has a space or a control character", "--api-key");
  return key;
}

}  // namespace troupe::launch
