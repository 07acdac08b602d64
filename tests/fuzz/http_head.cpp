// Bytes of a client on a real socket pair: what the edge's connection reads of them, and what is looked at in a head before
// its body counts.
#include <sys/socket.h>
#include <unistd.h>

#include <utility>  // which Boost 1.74 forgets

#include <boost/asio/co_spawn.hpp>

#include "actors/edge/answer.hpp"
#include "actors/edge/callers/callers.hpp"
#include "actors/edge/connection.hpp"
#include "actors/edge/cors.hpp"
#include "actors/edge/retries/event_position.hpp"
#include "actors/edge/retries/idempotency_key.hpp"
#include "actors/edge/time_limits.hpp"
#include "actors/edge/traces/trace_context.hpp"
#include "tests/fuzz/bytes.hpp"

namespace troupe::actors::edge {
namespace {

constexpr std::size_t most_bytes = 64 << 10;  // that a socket pair holds unread

config::EdgeSettings guarded() {
  config::EdgeSettings settings;
  settings.api_keys = {"k1", "k2"};
  settings.shared_limits.trusted_proxies = {"10.0.0.0/8"};
  return settings;
}

std::string_view view(boost::beast::string_view text) {
  return {text.data(), text.size()};
}

void look_at(const Connection::Request& request) {
  const config::CorsSettings cors{.allowed_origins = {"https://a.example"}};
  static const config::EdgeSettings settings = guarded();
  static Callers callers(settings);
  const ShownHeaders shown{view(request[http::field::authorization]), view(request["x-api-key"]),
                           std::string(view(request["X-Forwarded-For"]))};
  Visit visit = callers.visit(net::ip::make_address("10.1.2.3"), shown);
  (void)callers.admit(visit, shown, config::KeyClass::inference, now());
  (void)time_limits(settings, view(request["x-request-timeout"]));
  (void)usable_request_id(view(request["X-Request-Id"]));
  (void)read_idempotency_key(view(request["Idempotency-Key"]), request.count("Idempotency-Key"));
  for (const std::size_t choices : {1, 3})
    (void)EventPosition::parse(view(request["Last-Event-ID"]), choices);
  (void)begin_trace(view(request["traceparent"]), view(request["tracestate"]));
  (void)cors_fields(cors, view(request[http::field::origin]));
  (void)preflight_fields(cors, view(request[http::field::origin]),
                         view(request[http::field::access_control_request_method]),
                         view(request[http::field::access_control_request_headers]), "GET");
}

net::awaitable<void> serve(std::shared_ptr<Connection> connection) {
  for (;;) {
    const Expected<bool> head = co_await connection->read_head();
    if (!head || !*head) co_return;
    look_at(connection->request());
    const Expected<bool> body = co_await connection->read_body();
    if (!body || !*body || !connection->keeps_alive()) co_return;
  }
}

void run(std::string_view bytes) {
  int ends[2];
  CHECK(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  CHECK(::write(ends[0], bytes.data(), bytes.size()) == ssize_t(bytes.size()));
  ::shutdown(ends[0], SHUT_WR);
  config::ConnectionLimits limits;
  limits.header_size = {1 << 10};
  limits.body_size = {4 << 10};
  {
    net::io_context io;
    Socket socket(io);
    socket.assign(net::ip::tcp::v4(), ends[1]);
    net::co_spawn(io, serve(std::make_shared<Connection>(std::move(socket), nullptr, limits)),
                  [](const std::exception_ptr& thrown) {
                    if (thrown) std::rethrow_exception(thrown);  // out of run()
                  });
    io.run();
  }
  ::close(ends[0]);
}

}  // namespace
}  // namespace troupe::actors::edge

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size <= troupe::actors::edge::most_bytes) troupe::actors::edge::run(troupe::fuzz::text_of(data, size));
  return 0;
}
