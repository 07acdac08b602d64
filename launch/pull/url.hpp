// Addresses of files on the web. Any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace troupe::launch::pull {

struct Url {
  bool secure = true;      // https
  std::string host, port;  // in small letters; an IPv6 address without its brackets
  std::string target;      // path and query; begins with a slash

  std::string authority() const;  // HOST, or HOST:PORT where the port is not the scheme's own
  std::string origin() const;     // https://HOST:PORT: who answers
  std::string shown() const;      // without the query, which may hold a signature that is secret
};

// http://HOST[:PORT][/PATH][?QUERY], or https. Nothing for what is none, or names a user.
std::optional<Url> parse_url(std::string_view text);

// Where an answer of `from` sends: another URL, or the path of one on the same host.
std::optional<Url> resolve(const Url& from, std::string_view location);

// With slashes as they are.
std::string percent_encoded(std::string_view path);

}  // namespace troupe::launch::pull
