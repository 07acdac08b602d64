// The URL of a server that a subcommand asks. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace troupe::launch {

struct ServerUrl {
  std::string authority, host, port = "80", path;  // the path has no slash at its end
};

bool is_visible(char c);  // ASCII, and no space

// Whether a text is meant as one: it begins with a scheme.
bool is_url(std::string_view text);

// http://HOST[:PORT][/PATH]. Throws UsageError that names `flag`; `instead` is what else can be done with TLS.
ServerUrl parse_server_url(const std::string& text, std::string_view flag, const std::string& instead);
// Likewise, of the argument URL; its path is where the server's API begins, whether or not the text goes on with /v1.
ServerUrl parse_api_url(const std::string& text, const std::string& instead = "or a proxy that ends TLS");

}  // namespace troupe::launch
