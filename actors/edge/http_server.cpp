#include "actors/edge/http_server.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/strand.hpp>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>

#include "actors/edge/asio.hpp"
#include "actors/edge/callers/client_address.hpp"
#include "actors/edge/retries/restored_answer.hpp"
#include "actors/edge/session.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/thread_pool.hpp"

namespace troupe::actors::edge {
namespace {

using Acceptor = net::ip::tcp::acceptor;

constexpr std::chrono::milliseconds accept_retry_delay{100};  // when the process has no descriptors left
constexpr std::chrono::milliseconds keys_poll{
    500};  // at two of which a file of keys or filters looks the same, once changed
constexpr std::chrono::milliseconds answers_tick{50};  // by which answers are kept for longer, at most

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

std::unique_ptr<Journal> open_journal(const config::JournalSettings& settings) {
  return settings.folder.empty() ? nullptr : std::make_unique<Journal>(settings);
}

std::unique_ptr<TraceExporter> exporter(const std::string& endpoint, const std::string& version) {
  return endpoint.empty() ? nullptr : std::make_unique<TraceExporter>(endpoint, version);
}

}  // namespace

class HttpServer::Listener {
 public:
  Listener(const config::EdgeSettings& settings, std::string version, std::shared_ptr<Service> service)
      : settings_(settings),
        version_(std::move(version)),
        service_(std::move(service)),
        callers_(settings),
        tls_(settings.tls),
        captures_(settings.capture),
        traces_(exporter(settings.otlp_traces_endpoint, version_)),
        journal_(open_journal(settings.journal)),
        strand_(net::make_strand(io_)) {
    CHECK(settings_.io_threads >= 1 && settings_.connection.buffered_deltas >= 1);
    open_door(settings_.port, "--port");
    if (settings_.ollama_port != 0) open_door(settings_.ollama_port, "--ollama-port");
    if (settings_.metrics_port != 0) open_door(settings_.metrics_port, "--metrics-port", true);
    port_ = doors_.front().acceptor.local_endpoint().port();
    if (journal_)
      restore_answers(*journal_, answers_, service_->model(), settings_.request, callers_, executor_);
    net::post(strand_, [this] { tick(); });
    if (!settings_.api_keys_file.empty() || !settings_.output_filters_file.empty() ||
        !settings_.tls.certificate.empty())
      net::post(strand_, [this] { watch_files(); });
    // More than there are CPUs would but wake each other.
    for (std::int32_t i = 0; i < std::min(settings_.io_threads, usable_cpus()); ++i)
      threads_.emplace_back([this] { io_.run(); });
  }

  ~Listener() { stop(); }

  std::uint16_t port() const { return port_; }

  void stop() {
    const std::lock_guard once(stop_mutex_);
    if (threads_.empty()) return;
    const TimePoint until = now() + settings_.connection.shutdown_timeout;
    departure_.begin_for_good();
    departure_.wait(settings_.connection.shutdown_timeout);  // meanwhile probes and newcomers are told
    close_doors();
    end_sessions(until);
    answers_.stop();
    work_.reset();
    for (std::thread& each : threads_) each.join();
    threads_.clear();
  }

  void hasten() {
    departure_.hasten();
    const std::lock_guard lock(mutex_);
    quiet_.notify_all();
  }

 private:
  // A port that connections come to. Once it is open, it lives on the strand of accepting.
  struct Door {
    Acceptor acceptor;
    net::steady_timer retry;
    bool only_watching;
  };

  void close_doors() {
    net::post(strand_, [this] {
      error_code ignored;
      for (Door& each : doors_) {
        each.acceptor.close(ignored);
        each.retry.cancel();
      }
      hangup_.cancel(ignored);
      keys_poll_.cancel();
      watching_ = false;
      answers_tick_.cancel();
      ticking_ = false;
    });
  }

  void end_sessions(TimePoint until) {
    std::unique_lock lock(mutex_);
    stopping_ = true;
    for (const auto& session : sessions_) session->stop();
    const auto quiet = [this] { return sessions_.empty(); };
    quiet_.wait_until(lock, until, [&] { return quiet() || departure_.hastened(); });
    if (!quiet()) {
      answers_.leave();  // those that are cut off now go on with the journal
      for (const auto& session : sessions_) session->cut_off();
      if (!quiet_.wait_for(lock, settings_.connection.linger_timeout, quiet)) {
        for (const auto& session : sessions_) session->abort();
        quiet_.wait(lock, quiet);
      }
    }
  }

  void withdraw_those_who_wait() {
    const std::lock_guard lock(mutex_);
    for (const auto& session : sessions_) session->withdraw();
  }

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

  // Keys, filters and certificates are read again on SIGHUP, the first two also when their files have changed. These files are
  // small and local, so that a thread of connections may read them.
  void watch_files() {
    watching_ = true;
    hangup_.add(SIGHUP);
    await_hangup();
    poll_keys();
  }
  void await_hangup() {
    hangup_.async_wait([this](error_code error, int) {
      if (error || !watching_) return;
      callers_.reload();
      tls_.reload();
      await_hangup();
    });
  }
  void poll_keys() {
    keys_poll_.expires_after(keys_poll);
    keys_poll_.async_wait([this](error_code cancelled) {
      if (cancelled || !watching_) return;
      callers_.reload_if_changed();
      poll_keys();
    });
  }

  void tick() {
    if (!ticking_) return;
    answers_.tick(now());
    answers_tick_.expires_after(answers_tick);
    answers_tick_.async_wait([this](error_code cancelled) {
      if (!cancelled) tick();
    });
  }

  void admit(Socket socket, bool only_watching) {
    error_code gone;
    const net::ip::tcp::endpoint peer = socket.remote_endpoint(gone);
    if (gone) return;
    const std::string network = network_of(peer.address());
    const auto strand = socket.get_executor();
    const auto session = std::make_shared<Session>(std::move(socket), tls_.context(), parts_, only_watching);
    std::optional<Refusal> refusal;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_ || sessions_.size() >= settings_.connection.connections + refused_connections) return;
      refusal = one_too_many(network);
      sessions_.insert(session);
      ++of_network_[network];
    }
    net::co_spawn(
        strand, [session, refusal] { return refusal ? session->run_refused(*refusal) : session->run(); },
        [this, session, network](std::exception_ptr failure) {
          if (failure) log_failure(failure);
          forget(session, network);
        });
  }

  // Why it is, if a connection from there is. The lock is held.
  std::optional<Refusal> one_too_many(const std::string& network) const {
    const config::ConnectionLimits& limits = settings_.connection;
    if (sessions_.size() >= limits.connections)
      return Refusal{RefusalKind::unavailable, "The server has too many connections.", "",
                     "too_many_connections"};
    const auto of_network = of_network_.find(network);
    if (limits.connections_per_address == 0 || of_network == of_network_.end() ||
        of_network->second < limits.connections_per_address)
      return std::nullopt;
    return Refusal{RefusalKind::rate_limited, "There are too many connections from this address.", "",
                   "too_many_connections"};
  }

  static void log_failure(const std::exception_ptr& failure) {
    try {
      std::rethrow_exception(failure);
    } catch (const std::exception& error) {
      log_event(LogLevel::error, "http_session_failed", {{"error", error.what()}});
    }
  }

  void forget(const std::shared_ptr<Session>& session, const std::string& network) {
    const std::lock_guard lock(mutex_);
    sessions_.erase(session);
    if (--of_network_[network] == 0) of_network_.erase(network);
    if (sessions_.empty()) quiet_.notify_all();
  }

  const config::EdgeSettings& settings_;
  const std::string version_;
  const std::shared_ptr<Service> service_;
  Departure departure_{[this] {
    log_event(LogLevel::info, "draining", {{"active_requests", departure_.in_progress()}});
    withdraw_those_who_wait();
  }};
  Callers callers_;
  ServerTls tls_;
  Captures captures_;
  const std::unique_ptr<TraceExporter> traces_;  // null: nothing is traced
  net::io_context io_;
  const net::any_io_executor executor_{io_.get_executor()};
  const std::unique_ptr<Journal> journal_;  // null: requests end with the process
  AnswerStore answers_{settings_.retries, *service_, journal_.get()};
  const AnswerGround ground_{*service_, answers_, journal_.get(), executor_};
  const ServerParts parts_{settings_, version_, departure_, callers_, captures_, ground_, traces_.get()};
  net::executor_work_guard<net::io_context::executor_type> work_{io_.get_executor()};
  net::strand<net::io_context::executor_type> strand_;  // of accepting
  // On that strand, too.
  net::signal_set hangup_{strand_};
  net::steady_timer keys_poll_{strand_};
  bool watching_ = false;
  net::steady_timer answers_tick_{strand_};
  bool ticking_ = true;
  std::deque<Door> doors_;  // open until stop(); they stay where they are
  std::uint16_t port_ = 0;  // of the first

  std::mutex mutex_;  // guards the next four
  std::condition_variable quiet_;
  std::unordered_set<std::shared_ptr<Session>> sessions_;
  std::map<std::string, std::size_t> of_network_;  // how many of them, where there are some; see network_of
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

void HttpServer::hasten() {
  listener_->hasten();
}

}  // namespace troupe::actors::edge
