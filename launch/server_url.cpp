#include "launch/server_url.hpp"

#include <algorithm>

#include "config/setting.hpp"

namespace troupe::launch {
namespace {

config::UsageError malformed(const std::string& text, std::string_view flag) {
  return config::UsageError("'" + text + "' is no URL of a server", flag, "such as http://127.0.0.1:8000");
}

// [address]:port, name:port, or either without a port.
ServerUrl parse_authority(const std::string& authority, const std::string& whole, std::string_view flag) {
  ServerUrl url{.authority = authority, .host = {}, .path = {}};
  const auto bracket = authority.rfind(']');
  const auto colon = authority.find(':', bracket == authority.npos ? 0 : bracket);
  url.host = authority.substr(0, colon);
  if (colon != authority.npos) url.port = authority.substr(colon + 1);
  if (authority.starts_with('[') && bracket != authority.npos) {
    if (url.host.back() != ']') throw malformed(whole, flag);
    url.host = url.host.substr(1, url.host.size() - 2);
  }
  const bool digits = url.port.find_first_not_of("0123456789") == url.port.npos;
  if (url.host.empty() || url.host.find_first_of("@[]") != url.host.npos || !digits || url.port.empty() ||
      url.port.size() > 5 || std::stoi(url.port) > 65535 || std::stoi(url.port) == 0)
    throw malformed(whole, flag);
  return url;
}

}  // namespace

bool is_visible(char c) {
  return c > ' ' && c < '\x7F';
}

bool is_url(std::string_view text) {
  return text.starts_with("http://") || text.starts_with("https://");
}

ServerUrl parse_server_url(const std::string& text, std::string_view flag, const std::string& instead) {
  constexpr std::string_view scheme = "http://";
  if (text.starts_with("https://"))
    throw config::UsageError("'" + text + "' asks for TLS, which this command does not speak", flag,
                             "ask the server behind the proxy, " + instead);
  if (!text.starts_with(scheme) || !std::all_of(text.begin(), text.end(), is_visible) ||
      text.find_first_of("?#") != text.npos)
    throw malformed(text, flag);
  const auto slash = std::min(text.find('/', scheme.size()), text.size());
  ServerUrl url = parse_authority(text.substr(scheme.size(), slash - scheme.size()), text, flag);
  url.path = text.substr(slash);
  while (url.path.ends_with('/')) url.path.pop_back();
  return url;
}

ServerUrl parse_api_url(const std::string& text, const std::string& instead) {
  constexpr std::string_view version = "/v1";
  ServerUrl url = parse_server_url(text, "URL", instead);
  if (url.path.ends_with(version)) url.path.resize(url.path.size() - version.size());
  return url;
}

}  // namespace troupe::launch
