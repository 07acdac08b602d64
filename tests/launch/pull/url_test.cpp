#include "launch/pull/url.hpp"

#include <gtest/gtest.h>

namespace troupe::launch::pull {
namespace {

TEST(Url, IsTakenApart) {
  const auto url = parse_url("https://Hub.Example:8443/a/b?c=d#e");
  ASSERT_TRUE(url);
  EXPECT_TRUE(url->secure);
  EXPECT_EQ(url->host, "hub.example");
  EXPECT_EQ(url->port, "8443");
  EXPECT_EQ(url->target, "/a/b?c=d");
  EXPECT_EQ(url->authority(), "hub.example:8443");
  EXPECT_EQ(url->shown(), "https://hub.example:8443/a/b");
  EXPECT_EQ(parse_url("http://a")->port, "80");
  EXPECT_EQ(parse_url("https://a")->origin(), "https://a:443");
  EXPECT_EQ(parse_url("https://a:443/")->authority(), "a");
  EXPECT_EQ(parse_url("http://a?b")->target, "/?b");
  EXPECT_EQ(parse_url("http://[::1]:7")->host, "::1");
  EXPECT_EQ(parse_url("http://[::1]:7")->authority(), "[::1]:7");
}

TEST(Url, OthersAreNone) {
  for (const char* text :
       {"", "a", "ftp://a", "http://", "http:///a", "http://user@a", "http://user:password@a/", "http://a b",
        "http://a:0", "http://a:65536", "http://a:x", "http://a:", "http://[::1", "http://[]", "http://[a.b]",
        "http://a\r\nX: y/", "HTTP://a", "http://a\\b"})
    EXPECT_FALSE(parse_url(text)) << text;
}

TEST(Url, ARedirectLeadsToAnotherOrAnotherPath) {
  const Url from = *parse_url("https://hub.example:8443/a?b");
  EXPECT_EQ(resolve(from, "/c?d#e")->origin(), from.origin());
  EXPECT_EQ(resolve(from, "/c?d#e")->target, "/c?d");
  EXPECT_EQ(resolve(from, "//other/c")->origin(), "https://other:443");
  EXPECT_EQ(resolve(from, "http://other/c")->origin(), "http://other:80");
  EXPECT_FALSE(resolve(from, ""));
  EXPECT_FALSE(resolve(from, "c"));
  EXPECT_FALSE(resolve(from, "javascript:x"));
  EXPECT_FALSE(resolve(from, "/a b"));
}

TEST(Url, NamesOfFilesAreEncoded) {
  EXPECT_EQ(percent_encoded("a/b c?#%.bin"), "a/b%20c%3F%23%25.bin");
  EXPECT_EQ(percent_encoded("\xC3\xA4"), "%C3%A4");
}

}  // namespace
}  // namespace troupe::launch::pull
