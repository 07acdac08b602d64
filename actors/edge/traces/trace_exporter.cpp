#include "actors/edge/traces/trace_exporter.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <iterator>

#include "actors/edge/asio.hpp"
#include "actors/edge/reply.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors::edge {
namespace {

constexpr std::string_view scheme = "http://";

struct Post {
  std::string host, port, path, body;
};

// The status of the answer.
net::awaitable<unsigned> ask(const Post& post) {
  const auto executor = co_await net::this_coro::executor;
  net::ip::tcp::resolver resolver(executor);
  const auto found = co_await resolver.async_resolve(post.host, post.port, net::use_awaitable);
  Socket socket(executor);
  co_await net::async_connect(socket, found, net::use_awaitable);
  http::request<http::string_body> request(http::verb::post, post.path, 11);
  request.set(http::field::host, post.host + ":" + post.port);
  request.set(http::field::content_type, "application/json");
  request.set(http::field::connection, "close");
  request.body() = post.body;
  request.prepare_payload();
  co_await http::async_write(socket, request, net::use_awaitable);
  boost::beast::flat_buffer buffer;
  http::response<http::string_body> response;
  co_await http::async_read(socket, buffer, response, net::use_awaitable);
  co_return response.result_int();
}

}  // namespace

TraceExporter::Collector TraceExporter::collector_of(const std::string& endpoint) {
  const auto refuse = [&] {
    return Error("not an address of a collector", endpoint,
                 "give --otlp-traces-endpoint http://HOST:4318/v1/traces");
  };
  if (!endpoint.starts_with(scheme)) throw refuse();
  const std::string_view rest = std::string_view(endpoint).substr(scheme.size());
  const auto slash = rest.find('/');
  const std::string_view authority = rest.substr(0, slash);
  const auto colon = authority.rfind(':');
  Collector collector{std::string(authority.substr(0, colon)), "4318", "/v1/traces"};
  if (colon != authority.npos) collector.port = authority.substr(colon + 1);
  if (slash != rest.npos && slash + 1 < rest.size()) collector.path = rest.substr(slash);
  const bool digits = std::ranges::all_of(collector.port, [](char c) { return c >= '0' && c <= '9'; });
  if (collector.host.empty() || collector.port.empty() || !digits) throw refuse();
  return collector;
}

TraceExporter::TraceExporter(const std::string& endpoint, std::string version)
    : collector_(collector_of(endpoint)), version_(std::move(version)), thread_([this] { run(); }) {}

TraceExporter::~TraceExporter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void TraceExporter::add(std::vector<Span> spans) {
  const std::lock_guard lock(mutex_);
  if (waiting_.size() + spans.size() > most_waiting) {
    dropped_ += spans.size();
    return;
  }
  std::ranges::move(spans, std::back_inserter(waiting_));
  changed_.notify_all();
}

// Once it is told to stop, one failure ends it.
void TraceExporter::run() {
  bool reachable = true;
  for (std::unique_lock lock(mutex_);;) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty() || (stopping_ && !reachable)) return;
    const auto count = std::ptrdiff_t(std::min(waiting_.size(), most_sent));
    const std::vector<Span> batch(std::move_iterator(waiting_.begin()),
                                  std::move_iterator(waiting_.begin() + count));
    waiting_.erase(waiting_.begin(), waiting_.begin() + count);
    lock.unlock();
    reachable = send(dump(otlp_request(batch, version_)));
    lock.lock();
    if (!reachable) dropped_ += batch.size();
    if (const std::size_t dropped = std::exchange(dropped_, 0); dropped > 0)
      log_event(LogLevel::warning, "spans_dropped", {{"spans", dropped}, {"collector", collector_.host}});
  }
}

bool TraceExporter::send(const std::string& body) const {
  const Post post{collector_.host, collector_.port, collector_.path, body};
  bool taken = false;
  net::io_context io;
  net::co_spawn(io, ask(post), [&](const std::exception_ptr& failure, unsigned status) {
    taken = !failure && status >= 200 && status < 300;
  });
  io.run_for(timeout);
  return taken;
}

}  // namespace troupe::actors::edge
