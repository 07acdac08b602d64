#include "actors/edge/http_server.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/strand.hpp>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>
#include <unordered_set>

#include "actors/edge/asio.hpp"
#include "actors/edge/session.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors::edge {
namespace {

using Acceptor = net::ip::tcp::acceptor;

constexpr std::size_t refused_connections = 64;               // that may be told why; more are just closed
constexpr std::chrono::milliseconds accept_retry_delay{100};  // when the process has no descriptors left

// flag: the one that chose the port. Throws Error.
void listen(Acceptor& acceptor, const std::string& host, std::uint16_t port, const std::string& flag) {
  const std::string address = host + ":" + std::to_string(port);
  error_code error;
  net::ip::tcp::resolver resolver(acceptor.get_executor());
  const auto found = resolver.resolve(host, std::to_string(port), net::ip::resolver_base::passive, error);
  if (error || found.empty())
    throw Error("no such address: " + error.message(), address, "choose another --host");
  const net::ip::tcp::endpoint endpoint = found.begin()->endpoint();
  acceptor.open(endpoint.protocol());
  acceptor.set_option(Acceptor::reuse_address(true));
  acceptor.bind(endpoint, error);
  if (!error) acceptor.listen(net::socket_base::max_listen_connections, error);
  if (error)
    throw Error("cannot listen: " + error.message(), address, "choose another " + flag + " or --host");
}

}  // namespace

class HttpServer::Listener {
 public:
  Listener(const config::EdgeSettings& settings, std::string version, std::shared_ptr<Service> service)
      : settings_(settings),
        version_(std::move(version)),
        service_(std::move(service)),
        strand_(net::make_strand(io_)) {
    CHECK(settings_.io_threads >= 1 && settings_.connection.buffered_deltas >= 1);
    if (!settings_.otlp_traces_endpoint.empty())
      traces_ = std::make_unique<TraceExporter>(settings_.otlp_traces_endpoint, version_);
    open_door(settings_.port, "--port");
    if (settings_.ollama_port != 0) open_door(settings_.ollama_port, "--ollama-port");
    if (settings_.metrics_port != 0) open_door(settings_.metrics_port, "--metrics-port", true);
    port_ = doors_.front().acceptor.local_endpoint().port();
    for (std::int32_t i = 0; i < settings_.io_threads; ++i) threads_.emplace_back([this] { io_.run(); });
  }

  ~Listener() { stop(); }

  std::uint16_t port() const { return port_; }

  void stop() {
    const std::lock_guard once(stop_mutex_);
    if (threads_.empty()) return;
    net::post(strand_, [this] {
      error_code ignored;
      for (Door& each : doors_) {
        each.acceptor.close(ignored);
        each.retry.cancel();
      }
    });
    std::unique_lock lock(mutex_);
    stopping_ = true;
    for (const auto& session : sessions_) session->stop();
    const auto quiet = [this] { return sessions_.empty(); };
    if (!quiet_.wait_for(lock, settings_.connection.stop_timeout, quiet)) {
      for (const auto& session : sessions_) session->cut_off();
      if (!quiet_.wait_for(lock, settings_.connection.linger_timeout, quiet)) {
        for (const auto& session : sessions_) session->abort();
        quiet_.wait(lock, quiet);
      }
    }
    lock.unlock();
    work_.reset();
    for (std::thread& each : threads_) each.join();
    threads_.clear();
  }

 private:
  // A port that connections come to. Once it is open, it lives on the strand of accepting.
  struct Door {
    Acceptor acceptor;
    net::steady_timer retry;
    bool only_watching;
  };

  // Throws Error.
  void open_door(std::uint16_t port, const std::string& flag, bool only_watching = false) {
    Door& door = doors_.emplace_back(Acceptor(strand_), net::steady_timer(strand_), only_watching);
    listen(door.acceptor, settings_.host, port, flag);
    net::post(strand_, [this, &door] { accept(door); });
  }

  void accept(Door& door) {
    door.acceptor.async_accept(net::make_strand(io_), [this, &door](error_code error, Socket socket) {
      if (!door.acceptor.is_open()) return;
      if (!error) {
        admit(std::move(socket), door.only_watching);
        return accept(door);
      }
      log_event(LogLevel::warning, "accept_failed", {{"error", error.message()}});
      door.retry.expires_after(accept_retry_delay);
      door.retry.async_wait([this, &door](error_code cancelled) {
        if (!cancelled && door.acceptor.is_open()) accept(door);
      });
    });
  }

  void admit(Socket socket, bool only_watching) {
    const auto strand = socket.get_executor();
    const auto session = std::make_shared<Session>(std::move(socket), settings_, version_, *service_,
                                                   only_watching, traces_.get());
    bool refused = false;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ || sessions_.size() >= settings_.connection.connections + refused_connections) return;
      refused = sessions_.size() >= settings_.connection.connections;
      sessions_.insert(session);
    }
    net::co_spawn(
        strand, [session, refused] { return refused ? session->run_refused() : session->run(); },
        [this, session](std::exception_ptr failure) {
          if (failure) log_failure(failure);
          forget(session);
        });
  }

  static void log_failure(const std::exception_ptr& failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      log_event(LogLevel::error, "http_session_failed", {{"error", error.what()}});
    }
  }

  void forget(const std::shared_ptr<Session>& session) {
    const std::lock_guard lock(mutex_);
    sessions_.erase(session);
    if (sessions_.empty()) quiet_.notify_all();
  }

  const config::EdgeSettings& settings_;
  const std::string version_;
  const std::shared_ptr<Service> service_;
  std::unique_ptr<TraceExporter> traces_;  // null: nothing is traced
  net::io_context io_;
  net::executor_work_guard<net::io_context::executor_type> work_{io_.get_executor()};
  net::strand<net::io_context::executor_type> strand_;  // of accepting
  std::deque<Door> doors_;                              // open until stop(); they stay where they are
  std::uint16_t port_ = 0;                              // of the first

  std::mutex mutex_;  // guards the next three
  std::condition_variable quiet_;
  std::unordered_set<std::shared_ptr<Session>> sessions_;
  bool stopping_ = false;

  std::mutex stop_mutex_;
  std::vector<std::thread> threads_;
};

HttpServer::HttpServer(const config::EdgeSettings& settings, std::string version,
                       std::shared_ptr<Service> service)
    : listener_(std::make_unique<Listener>(settings, std::move(version), std::move(service))) {}

HttpServer::~HttpServer() = default;

std::uint16_t HttpServer::port() const {
  return listener_->port();
}

void HttpServer::stop() {
  listener_->stop();
}

}  // namespace troupe::actors::edge
