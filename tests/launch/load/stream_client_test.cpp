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
    std::vector<std::vector<std::string>> answers;  // of a connection: each in the pieces that it is sent in
    bool stays = false;
  };

  ScriptedServer(net::io_context& io, std::vector<Script> scripts)
      : io_(io), acceptor_(io, {net::ip::address_v4::loopback(), 0}), scripts_(std::move(scripts)) {
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
      const auto index = std::min(std::size_t(connections_++), scripts_.size() - 1);
      net::co_spawn(io_, play(std::move(socket), scripts_[index]), net::detached);
    }
  }

  net::awaitable<void> play(net::ip::tcp::socket socket, Script script) {
    std::string request;
    for (const auto& answer : script.answers) {
      error_code left;
      const auto end = co_await net::async_read_until(socket, net::dynamic_buffer(request), "{}",
                                                      actors::edge::into(left));
      if (left) co_return;
      request.erase(0, end);
      for (const std::string& piece : answer)
        co_await net::async_write(socket, net::buffer(piece), actors::edge::into(left));
    }
    if (!script.stays) co_return;
    silent_.push_back(std::move(socket));
  }

  net::io_context& io_;
  net::ip::tcp::acceptor acceptor_;
  std::vector<Script> scripts_;
  std::vector<net::ip::tcp::socket> silent_;
  int connections_ = 0;
};

class StreamClientTest : public testing::Test {
 protected:
  // So many requests, one after the other.
  std::vector<Exchange> ask(ScriptedServer& server, int count, Load load = {}) {
    StreamClient client(io_, server.url(), {}, std::chrono::milliseconds(200));
    load.target = "/v1/completions";
    load.bodies.assign(std::size_t(count), "{}");
    std::vector<Exchange> exchanges;
    net::co_spawn(io_, send(client, load, [](const Exchange&) {}),
                  [&](std::exception_ptr thrown, std::vector<Exchange> come) {
                    if (thrown) std::rethrow_exception(thrown);
                    exchanges = std::move(come);
                    io_.stop();
                  });
    io_.run();
    return exchanges;
  }
  std::string error_of(ScriptedServer::Script script) {
    ScriptedServer server(io_, {std::move(script)});
    return ask(server, 1).at(0).error;
  }

  net::io_context io_{1};
};

TEST_F(StreamClientTest, AnswersMayBeSplitAnywhere) {
  std::vector<std::string> pieces;
  for (const char c : whole_answer()) pieces.emplace_back(1, c);
  ScriptedServer server(io_, {{{pieces}}});
  const Exchange exchange = ask(server, 1).at(0);
  EXPECT_EQ(exchange.error, "");
  EXPECT_EQ(exchange.output_len, 2);
  EXPECT_EQ(exchange.itl.size(), 1u);
}

TEST_F(StreamClientTest, ConnectionsAreUsedAgain) {
  ScriptedServer server(io_, {{{{whole_answer()}, {whole_answer()}, {whole_answer()}}}});
  Load load;
  load.max_concurrency = 1;
  for (const Exchange& each : ask(server, 3, load)) EXPECT_EQ(each.error, "");
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(StreamClientTest, AConnectionThatWasClosedMeanwhileIsReplaced) {
  ScriptedServer server(io_, {{{{whole_answer()}}}});
  Load load;
  load.max_concurrency = 1;
  for (const Exchange& each : ask(server, 3, load)) EXPECT_EQ(each.error, "");
  EXPECT_EQ(server.connections(), 3);
}

TEST_F(StreamClientTest, ConcurrencyIsALimit) {
  ScriptedServer server(io_, {{std::vector<std::vector<std::string>>(9, {whole_answer()})}});
  Load load;
  load.max_concurrency = 3;
  for (const Exchange& each : ask(server, 9, load)) EXPECT_EQ(each.error, "");
  EXPECT_EQ(server.connections(), 3);
}

TEST_F(StreamClientTest, ErrorStatusesTellTheirMessage) {
  EXPECT_THAT(error_of({{{plain("429 Too Many Requests", R"({"error": {"message": "slow down"}})")}}}),
              HasSubstr("status 429: slow down"));
  EXPECT_THAT(error_of({{{plain("500 Oh", "<html>")}}}), HasSubstr("status 500"));
}

TEST_F(StreamClientTest, AServerThatDiesMidwayIsAnError) {
  EXPECT_NE(error_of({{{head() + chunk(event)}}}), "");
  EXPECT_NE(error_of({{{"HTTP/1.1 200"}}}), "");
  EXPECT_NE(error_of({{{"nonsense\r\n\r\n"}}}), "");
  EXPECT_THAT(error_of({{{head() + chunk(event) + "0\r\n\r\n"}}}), HasSubstr("[DONE]"));
}

TEST_F(StreamClientTest, SilenceIsAnError) {
  EXPECT_THAT(error_of({.answers = {{head() + chunk(event)}}, .stays = true}),
              HasSubstr("nothing came for 0.2 s"));
}

TEST_F(StreamClientTest, NobodyThereIsAnError) {
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
