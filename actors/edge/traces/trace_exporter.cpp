#include "actors/edge/traces/trace_exporter.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/write.hpp>
#include <future>
#include <iterator>

#include "actors/edge/reply.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors::edge {
namespace {

constexpr std::string_view scheme = "http://";
constexpr std::string_view digits = "0123456789";
constexpr unsigned largest_port = 65535;

using Addresses = net::ip::tcp::resolver::results_type;

// In a thread of its own, which may outlive whoever asks: nothing ends a question for a name. Empty: no answer in time, or none.
std::optional<Addresses> addresses_of(const std::string& host, const std::string& port, TimePoint until) {
  const auto found = std::make_shared<std::promise<Addresses>>();
  auto told = found->get_future();
  const auto ask = [found, host, port] {
    net::io_context io;
    error_code failure;
    found->set_value(net::ip::tcp::resolver(io).resolve(host, port, failure));
  };
  try {
    std::thread(ask).detach();
  } catch (const std::system_error&) {
    return std::nullopt;
  }
  if (told.wait_until(until) != std::future_status::ready) return std::nullopt;
  const Addresses addresses = told.get();
  return addresses.empty() ? std::nullopt : std::optional(addresses);
}

std::string host_field(const TraceExporter::Collector& collector) {
  const bool is_v6 = collector.host.find(':') != collector.host.npos;
  return (is_v6 ? "[" + collector.host + "]" : collector.host) + ":" + collector.port;
}

http::request<http::string_body> post_of(const TraceExporter::Collector& collector, std::string body) {
  http::request<http::string_body> request(http::verb::post, collector.path, 11);
  request.set(http::field::host, host_field(collector));
  request.set(http::field::content_type, "application/json");
  request.set(http::field::connection, "close");
  request.body() = std::move(body);
  request.prepare_payload();
  return request;
}

// The status of the answer.
net::awaitable<unsigned> ask(const Addresses& addresses, const http::request<http::string_body>& request) {
  Socket socket(co_await net::this_coro::executor);
  co_await net::async_connect(socket, addresses, net::use_awaitable);
  co_await http::async_write(socket, request, net::use_awaitable);
  boost::beast::flat_buffer buffer;
  http::response<http::string_body> response;
  co_await http::async_read(socket, buffer, response, net::use_awaitable);
  co_return response.result_int();
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 && text.find_first_not_of(digits) == text.npos &&
         std::stoul(std::string(text)) >= 1 && std::stoul(std::string(text)) <= largest_port;
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
  const bool bracketed = authority.starts_with('[');
  const auto host_end = bracketed ? authority.find(']') : authority.find(':');
  if (bracketed && host_end == authority.npos) throw refuse();
  const std::string_view host = authority.substr(bracketed, host_end - bracketed);
  const std::string_view behind =
      host_end == authority.npos ? std::string_view() : authority.substr(host_end + bracketed);
  Collector collector{std::string(host), "4318", "/v1/traces"};
  if (!behind.empty()) collector.port = behind.substr(1);
  if (slash != rest.npos && slash + 1 < rest.size()) collector.path = rest.substr(slash);
  if (host.empty() || (!behind.empty() && behind.front() != ':') || !is_port(collector.port)) throw refuse();
  return collector;
}

TraceExporter::TraceExporter(const std::string& endpoint, std::string version)
    : collector_(collector_of(endpoint)), version_(std::move(version)), thread_([this] { run(); }) {}

TraceExporter::~TraceExporter() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    stops_at_ = now() + timeout;
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
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stopping_ || !waiting_.empty(); });
    if (waiting_.empty() || (stopping_ && (!reachable || now() >= stops_at_))) break;
    const auto count = std::ptrdiff_t(std::min(waiting_.size(), most_sent));
    const std::vector<Span> batch(std::move_iterator(waiting_.begin()),
                                  std::move_iterator(waiting_.begin() + count));
    waiting_.erase(waiting_.begin(), waiting_.begin() + count);
    const TimePoint until = stopping_ ? stops_at_ : now() + timeout;
    lock.unlock();
    const bool taken = send(dump(otlp_request(batch, version_)), until);
    lock.lock();
    if (!taken) dropped_ += batch.size();
    if (taken || reachable) log_dropped();
    reachable = taken;
  }
  dropped_ += waiting_.size();
  log_dropped();
}

void TraceExporter::log_dropped() {
  if (const std::size_t dropped = std::exchange(dropped_, 0); dropped > 0)
    log_event(LogLevel::warning, "spans_dropped", {{"spans", dropped}, {"collector", collector_.host}});
}

bool TraceExporter::send(const std::string& body, TimePoint until) {
  if (!addresses_) addresses_ = addresses_of(collector_.host, collector_.port, until);
  if (!addresses_) return false;
  const auto request = post_of(collector_, body);
  bool taken = false;
  {
    net::io_context io;
    net::co_spawn(io, ask(*addresses_, request), [&](const std::exception_ptr& failure, unsigned status) {
      taken = !failure && status >= 200 && status < 300;
    });
    io.run_until(until);
  }
  if (!taken) addresses_.reset();  // it may be elsewhere now
  return taken;
}

}  // namespace troupe::actors::edge
