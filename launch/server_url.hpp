// The URL of a server that a subcommand asks. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace troupe::launch {

struct ServerUrl {
  std::string authority, host, port = "80", path;  // the path has no slash at its end
};

bool is_visible(char c);  // ASCII, and no space

// http://HOST[:PORT][/PATH]. Throws UsageError that names `flag`; `instead` is what else can be done with TLS.
ServerUrl parse_server_url(const std::string& text, std::string_view flag, const std::string& instead);

}  // namespace troupe::launch
