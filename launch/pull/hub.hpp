// A server that speaks Hugging Face's file API, and the other hosts that it may send to. Immutable; any thread, each with an
// HttpClient of its own.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "launch/pull/http_client.hpp"
#include "launch/pull/url.hpp"

namespace troupe::launch::pull {

inline constexpr int most_redirects = 5;
inline constexpr std::size_t max_page_bytes = 32 << 20;

struct HubOptions {
  Url endpoint;                              // its target is a path, which the API's come behind
  std::string token;                         // shown to the endpoint alone; empty: none
  std::vector<std::string> allowed_hosts{};  // besides it: HOST, HOST:PORT or *.DOMAIN
  std::string agent = "troupe";              // what requests call the program
};

// Part of a file: bytes from begin to end, of so many.
struct Range {
  std::uint64_t begin = 0, end = 0, size = 0;
};

class Hub {
 public:
  explicit Hub(HubOptions options);

  // target: behind the endpoint. Both throw Hitch for what may go better the next time, else Error: a status, a host that is
  // not allowed, an answer that is not what was asked for.
  std::string page(HttpClient& client, const std::string& target) const;
  // take gets the bytes in order, exactly those of the range unless it throws.
  void read(HttpClient& client, const std::string& target, const Range& range,
            const std::function<void(std::string_view bytes)>& take) const;

 private:
  struct Answer {
    Url url;  // who gave it
    HttpClient::Head head;
  };
  Answer ask(HttpClient& client, const std::string& target, const HttpClient::Fields& fields) const;
  Url redirected(const Url& from, const HttpClient::Head& head) const;
  bool allows(const Url& url) const;
  [[noreturn]] void refuse(HttpClient& client, const Answer& answer) const;

  const HubOptions options_;
};

}  // namespace troupe::launch::pull
