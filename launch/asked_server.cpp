#include "launch/asked_server.hpp"

#include "launch/server_key.hpp"

namespace troupe::launch {

config::Setting server_url_setting(std::string& url) {
  return {.name = "url",
          .target = &url,
          .argument = "URL",
          .help = "Of the server.",
          .positional = true,
          .required = true};
}

config::Setting server_timeout_setting(std::chrono::milliseconds& timeout, std::string_view help) {
  return {
      .name = "timeout", .target = &timeout, .argument = "SECONDS", .help = help, .range = {0, 3600, true}};
}

bool read_with_key(const config::Page& page, config::Table own, config::Settings& settings,
                   const Arguments& arguments) {
  for (config::Setting& each : own) each.flag_only = true;
  config::append(own, {server_key_setting(settings)}, "");
  return read_command_line(page, own, arguments);
}

load::Headers key_headers(const config::Settings& settings) {
  const std::string key = server_key(settings);
  return key.empty() ? load::Headers() : load::Headers{{"Authorization", "Bearer " + key}};
}

}  // namespace troupe::launch
