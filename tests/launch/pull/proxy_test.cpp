#include "launch/pull/proxy.hpp"

#include <gmock/gmock.h>

#include <map>

#include "tests/error_of.hpp"

namespace troupe::launch::pull {
namespace {

using Variables = std::map<std::string, std::string>;

std::string proxy_of(const std::string& url, const Variables& variables) {
  const auto proxy = proxy_for(*parse_url(url), [&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::string() : found->second;
  });
  return proxy ? proxy->authority() : "none";
}

TEST(Proxy, IsThatOfTheScheme) {
  const Variables both{{"https_proxy", "http://secure:3128"}, {"http_proxy", "clear:8080"}};
  EXPECT_EQ(proxy_of("https://a", both), "secure:3128");
  EXPECT_EQ(proxy_of("http://a", both), "clear:8080");
  EXPECT_EQ(proxy_of("https://a", {}), "none");
  EXPECT_EQ(proxy_of("https://a", {{"HTTPS_PROXY", "http://p"}}), "p");
  EXPECT_EQ(proxy_of("http://a", {{"HTTP_PROXY", "http://p"}}), "none");
}

TEST(Proxy, IsNotForSomeHosts) {
  const auto with = [](const std::string& host, const std::string& direct) {
    return proxy_of("https://" + host, {{"HTTPS_PROXY", "http://p"}, {"NO_PROXY", direct}});
  };
  EXPECT_EQ(with("hub.example", "other,hub.example"), "none");
  EXPECT_EQ(with("hub.example", "other, .example"), "none");
  EXPECT_EQ(with("hub.example", "example"), "none");
  EXPECT_EQ(with("hub.example", "*"), "none");
  EXPECT_EQ(with("hub.example", "ample,hub,"), "p");
  EXPECT_EQ(with("127.0.0.1", ""), "none");
  EXPECT_EQ(with("localhost", ""), "none");
}

TEST(Proxy, IsOneThatSpeaksHttp) {
  for (const char* value : {"https://p", "http://user:password@p", "socks5://p", "p q"})
    EXPECT_THAT(error_of([&] {
                  proxy_of("https://a", {{"https_proxy", value}});
                }),
                testing::HasSubstr("HTTPS_PROXY: is no proxy"))
        << value;
}

}  // namespace
}  // namespace troupe::launch::pull
