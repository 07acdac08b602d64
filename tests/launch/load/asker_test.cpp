#include "launch/load/asker.hpp"

#include <gmock/gmock.h>

#include "tests/error_of.hpp"
#include "tests/launch/load/answering_server.hpp"

namespace troupe::launch::load {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

TEST(Asker, HasAnswersOfAnyStatus) {
  const AnsweringServer server([](const AnsweringServer::Request& request) {
    return http_answer(request.method == "GET" ? 503 : 200,
                       request.method + " " + request.target + " " + request.body);
  });
  Asker asker(server.url(), {}, seconds(20));
  const Page got = asker.get("/health");
  EXPECT_EQ(got.status, 503u);
  EXPECT_EQ(got.body, "GET /health ");
  const Page posted = asker.post("/v1/x", "{}");
  EXPECT_EQ(posted.status, 200u);
  EXPECT_EQ(posted.body, "POST /v1/x {}");
}

TEST(Asker, AnswersAreInTheOrderOfWhatWasAskedTogether) {
  const AnsweringServer server(
      [](const AnsweringServer::Request& request) { return http_answer(200, request.body); });
  Asker asker(server.url(), {}, seconds(20));
  const auto pages = asker.post_together("/", {"a", "b", "c", "d"});
  ASSERT_EQ(pages.size(), 4u);
  for (std::size_t i = 0; i < pages.size(); ++i) EXPECT_EQ(pages[i].body, std::string(1, char('a' + i)));
  EXPECT_TRUE(asker.post_together("/", {}).empty());
}

// Its server would say more: the rest of the body that its head tells of never comes.
TEST(Asker, LeavesAStreamWhenItHasHeardEnough) {
  const AnsweringServer server([](const AnsweringServer::Request&) {
    return std::string("HTTP/1.1 200 -\r\nContent-Length: 1000\r\n\r\none two");
  });
  Asker asker(server.url(), {}, seconds(20));
  std::string heard;
  asker.stream("/", "{}", [&](std::string_view bytes) {
    heard += bytes;
    return heard.find("two") == heard.npos;
  });
  EXPECT_EQ(heard, "one two");
}

TEST(Asker, TellsWhyThereIsNoAnswer) {
  Asker nobody({.authority = "127.0.0.1:1", .host = "127.0.0.1", .port = "1", .path = {}}, {}, seconds(20));
  EXPECT_THAT(error_of([&] { nobody.get("/health"); }), HasSubstr("Connection refused"));
  EXPECT_THAT(error_of([&] { nobody.post_together("/", {"a", "b"}); }), HasSubstr("Connection refused"));
  EXPECT_THAT(error_of([&] { nobody.stream("/", "", [](std::string_view) { return true; }); }),
              HasSubstr("Connection refused"));
  const AnsweringServer refuses([](const AnsweringServer::Request&) {
    return http_answer(429, R"({"error": {"message": "slow down"}})");
  });
  Asker refused(refuses.url(), {}, seconds(20));
  EXPECT_THAT(error_of([&] { refused.stream("/", "", [](std::string_view) { return true; }); }),
              HasSubstr("status 429: slow down"));
}

TEST(Asker, CanWait) {
  Asker asker({}, {}, seconds(1));
  const TimePoint begun = now();
  asker.pause(std::chrono::milliseconds(5));
  EXPECT_GE(now() - begun, std::chrono::milliseconds(5));
}

}  // namespace
}  // namespace troupe::launch::load
