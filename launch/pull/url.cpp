#include "launch/pull/url.hpp"

#include <algorithm>
#include <cctype>

#include "launch/server_url.hpp"

namespace troupe::launch::pull {
namespace {

constexpr std::string_view own_port(bool secure) {
  return secure ? "443" : "80";
}

bool is_port(std::string_view text) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  if (text.empty() || text.size() > 5 || !std::ranges::all_of(text, is_digit)) return false;
  const int port = std::stoi(std::string(text));
  return port > 0 && port < 65536;
}

bool is_of_name(char c) {
  return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '.' || c == '_';
}

bool is_of_address(char c) {
  return std::isxdigit(static_cast<unsigned char>(c)) != 0 || c == ':' || c == '.';
}

// Splits HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT.
bool take_authority(std::string_view text, Url& url) {
  const bool bracketed = text.starts_with('[');
  const auto end = bracketed ? text.find(']') : std::min(text.find(':'), text.size());
  if (end == text.npos) return false;
  const std::string_view host = text.substr(bracketed, end - bracketed);
  const std::string_view rest = text.substr(end + bracketed);
  if (host.empty() || bracketed != (host.find(':') != host.npos) ||
      !std::ranges::all_of(host, bracketed ? is_of_address : is_of_name))
    return false;
  if (!rest.empty() && (rest.front() != ':' || !is_port(rest.substr(1)))) return false;
  url.host = host;
  std::ranges::transform(url.host, url.host.begin(),
                         [](char c) { return char(std::tolower(static_cast<unsigned char>(c))); });
  url.port = rest.empty() ? own_port(url.secure) : rest.substr(1);
  return true;
}

std::string bracketed(const std::string& host) {
  return host.find(':') == host.npos ? host : "[" + host + "]";
}

}  // namespace

std::string Url::authority() const {
  return bracketed(host) + (port == own_port(secure) ? "" : ":" + port);
}

std::string Url::origin() const {
  return (secure ? "https://" : "http://") + bracketed(host) + ":" + port;
}

std::string Url::shown() const {
  return (secure ? "https://" : "http://") + authority() + target.substr(0, target.find('?'));
}

std::optional<Url> parse_url(std::string_view text) {
  Url url;
  if (!std::ranges::all_of(text, is_visible)) return std::nullopt;
  if (text.starts_with("https://"))
    text.remove_prefix(8);
  else if (text.starts_with("http://"))
    text.remove_prefix(7), url.secure = false;
  else
    return std::nullopt;
  text = text.substr(0, text.find('#'));
  const auto end = std::min(text.find_first_of("/?"), text.size());
  if (!take_authority(text.substr(0, end), url)) return std::nullopt;
  url.target = text.substr(end);
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  return url;
}

std::optional<Url> resolve(const Url& from, std::string_view location) {
  if (location.starts_with("//"))
    return parse_url((from.secure ? "https:" : "http:") + std::string(location));
  if (!location.starts_with('/')) return parse_url(location);
  if (!std::ranges::all_of(location, is_visible)) return std::nullopt;
  Url url = from;
  url.target = location.substr(0, location.find('#'));
  return url;
}

std::string percent_encoded(std::string_view path) {
  constexpr std::string_view digits = "0123456789ABCDEF", plain = "-._~/";
  std::string encoded;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x80 && std::isalnum(byte) != 0) || plain.find(c) != plain.npos)
      encoded += c;
    else
      encoded.append({'%', digits[byte >> 4], digits[byte & 15]});
  }
  return encoded;
}

}  // namespace troupe::launch::pull
