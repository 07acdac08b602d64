#include "launch/load/stream_client.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <sstream>

#include "launch/load/load.hpp"

namespace troupe::launch::load {
namespace {

using boost::system::error_code;
using ::testing::HasSubstr;

constexpr std::string_view event = "data: {\"choices\": [{\"text\": \"a\"}]}\n\n";
constexpr std::string_view done = "data: [DONE]\n\n";

std::string chunk(std::string_view text) {
  std::ostringstream out;
  out << std::hex << text.size() << "\r\n" << text << "\r\n";
  return out.str();
}

std::string head(const std::string& status = "200 OK") {
  return "HTTP/1.1 " + status + "\r\nTransfer-Encoding: chunked\r\n\r\n";
}

std::string whole_answer() {
  return head() + chunk(event) + chunk(event) + chunk(done) + "0\r\n\r\n";
}

std::string plain(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Answers requests of each connection with what its script says, then closes it, unless it shall stay silent.
class ScriptedServer {
 public:
  struct Script {
    std::vector<std::string> answers;  // of each connection
    bool in_bytes = false;             // every byte is sent alone
    bool stays = false;
  };

  ScriptedServer(net::io_context& io, Script script)
      : io_(io), acceptor_(io, {net::ip::address_v4::loopback(), 0}), script_(std::move(script)) {
    net::co_spawn(io, accept(), net::detached);
  }

  ServerUrl url() const {
    const std::string port = std::to_string(acceptor_.local_endpoint().port());
    return {.authority = "127.0.0.1:" + port, .host = "127.0.0.1", .port = port, .path = ""};
  }
  int connections() const { return connections_; }

 private:
  net::awaitable<void> accept() {
    for (;;) {
      net::ip::tcp::socket socket = co_await acceptor_.async_accept(net::use_awaitable);
      ++connections_;
      net::co_spawn(io_, play(std::move(socket)), net::detached);
    }
  }

  net::awaitable<void> play(net::ip::tcp::socket socket) {
    std::string request;
    for (const std::string& answer : script_.answers) {
      error_code left;
      const auto end = co_await net::async_read_until(socket, net::dynamic_buffer(request), "{}",
                                                      actors::edge::into(left));
      if (left) co_return;
      request.erase(0, end);
      const std::size_t size = script_.in_bytes ? 1 : answer.size();
      for (std::size_t from = 0; from < answer.size(); from += size)
        co_await net::async_write(socket, net::buffer(answer.data() + from, size), actors::edge::into(left));
    }
    if (!script_.stays) co_return;
    silent_.push_back(std::move(socket));
  }

  net::io_context& io_;
  net::ip::tcp::acceptor acceptor_;
  const Script script_;
  std::vector<net::ip::tcp::socket> silent_;
  int connections_ = 0;
};

struct Asked {
  std::vector<Exchange> exchanges;
  int connections = 0;
};

// So many requests to a server of this script, so many at a time.
Asked ask(ScriptedServer::Script script, int count, int at_a_time) {
  net::io_context io(1);
  ScriptedServer server(io, std::move(script));
  StreamClient client(io, server.url(), {}, std::chrono::milliseconds(200));
  Load load{.target = "/v1/completions",
            .bodies = std::vector<std::string>(std::size_t(count), "{}"),
            .arrivals = {},
            .max_concurrency = at_a_time};
  Asked asked;
  net::co_spawn(io, send(client, load, [](const Exchange&) {}),
                [&](std::exception_ptr, std::vector<Exchange> come) {
                  asked.exchanges = std::move(come);
                  io.stop();
                });
  io.run();
  asked.connections = server.connections();
  EXPECT_EQ(asked.exchanges.size(), std::size_t(count));
  return asked;
}

std::string error_of(const std::string& answer, bool stays = false) {
  return ask({.answers = {answer}, .stays = stays}, 1, 1).exchanges.at(0).error;
}

TEST(StreamClient, AnswersMayBeSplitAnywhere) {
  const Exchange exchange = ask({.answers = {whole_answer()}, .in_bytes = true}, 1, 1).exchanges.at(0);
  EXPECT_EQ(exchange.error, "");
  EXPECT_EQ(exchange.output_len, 2);
  EXPECT_EQ(exchange.itl.size(), 1u);
}

TEST(StreamClient, ConnectionsAreUsedAgain) {
  const Asked asked = ask({.answers = std::vector(3, whole_answer())}, 3, 1);
  for (const Exchange& each : asked.exchanges) EXPECT_EQ(each.error, "");
  EXPECT_EQ(asked.connections, 1);
}

TEST(StreamClient, AConnectionThatWasClosedMeanwhileIsReplaced) {
  const Asked asked = ask({.answers = {whole_answer()}}, 3, 1);
  for (const Exchange& each : asked.exchanges) EXPECT_EQ(each.error, "");
  EXPECT_EQ(asked.connections, 3);
}

TEST(StreamClient, ConcurrencyIsALimit) {
  const Asked asked = ask({.answers = std::vector(9, whole_answer())}, 9, 3);
  for (const Exchange& each : asked.exchanges) EXPECT_EQ(each.error, "");
  EXPECT_EQ(asked.connections, 3);
}

TEST(StreamClient, ErrorStatusesTellTheirMessage) {
  EXPECT_THAT(error_of(plain("429 Too Many Requests", R"({"error": {"message": "slow down"}})")),
              HasSubstr("status 429: slow down"));
  EXPECT_THAT(error_of(plain("500 Oh", "<html>")), HasSubstr("status 500"));
}

TEST(StreamClient, AServerThatDiesMidwayIsAnError) {
  EXPECT_NE(error_of(head() + chunk(event)), "");
  EXPECT_NE(error_of("HTTP/1.1 200"), "");
  EXPECT_NE(error_of("nonsense\r\n\r\n"), "");
  EXPECT_THAT(error_of(head() + chunk(event) + "0\r\n\r\n"), HasSubstr("[DONE]"));
}

TEST(StreamClient, SilenceIsAnError) {
  EXPECT_THAT(error_of(head() + chunk(event), true), HasSubstr("nothing came for 0.2 s"));
}

// A client that measures must cost nothing while it waits: one that asked for a page before, too.
TEST(StreamClient, WaitingIsIdle) {
  net::io_context io(1);
  ScriptedServer server(io, {.answers = {whole_answer()}, .stays = true});
  StreamClient client(io, server.url(), {}, std::chrono::milliseconds(200));
  const auto stop = [&](std::exception_ptr thrown, const auto&) {
    EXPECT_FALSE(thrown);
    io.stop();
  };
  net::co_spawn(io, client.get("/{}"), stop);  // the script answers whatever has "{}"
  io.run();
  io.restart();
  net::co_spawn(io, client.post("/", "{}"), stop);
  io.run();
  io.restart();
  EXPECT_LT(io.run_for(std::chrono::milliseconds(100)), 20u);
}

TEST(StreamClient, NobodyThereIsAnError) {
  net::io_context io(1);
  StreamClient client(io, {.authority = "127.0.0.1:1", .host = "127.0.0.1", .port = "1", .path = ""}, {},
                      std::chrono::seconds(5));
  Exchange exchange;
  net::co_spawn(io, client.post("/v1/completions", "{}"), [&](std::exception_ptr, Exchange come) {
    exchange = std::move(come);
    io.stop();
  });
  io.run();
  EXPECT_THAT(exchange.error, HasSubstr("Connection refused"));
}

}  // namespace
}  // namespace troupe::launch::load
