#include "actors/link/link.hpp"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <filesystem>

#include "actors/link/openssl_calls.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors {
namespace {

constexpr std::chrono::milliseconds heartbeat{250}, silence_limit{2000}, between_attempts{50},
    probe_limit{300};

// A host that answers for a head that is gone: nobody will listen there again. One that listens and makes no
// link has another authority, or is stopped.
constexpr std::chrono::seconds head_gone{10}, link_refused{30}, host_gone{600};
constexpr int silence_seconds = 5;  // of a connection before it is let in after all

std::string path_of(const FileDescriptor& file) {
  return "/proc/self/fd/" + std::to_string(file.get());
}

// CAF connects without a time limit, and would hang for minutes where packets vanish. So a plain connection
// goes first. It sends nothing and ends with a reset, so that the door never hears of it, see wait_for_data.
Probe probe(const std::string& host, std::uint16_t port) {
  addrinfo hints{}, *found = nullptr;
  hints.ai_socktype = SOCK_STREAM;
  if (getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found) != 0) return Probe::silent;
  const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> address(found, freeaddrinfo);
  const FileDescriptor tried(socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const linger reset{1, 0};
  setsockopt(tried.get(), SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  if (connect(tried.get(), address->ai_addr, address->ai_addrlen) == 0) return Probe::reachable;
  int error = errno;
  pollfd connected{tried.get(), POLLOUT, 0};
  socklen_t length = sizeof error;
  if (error == EINPROGRESS && (poll(&connected, 1, int(probe_limit.count())) != 1 ||
                               getsockopt(tried.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0))
    return Probe::silent;
  return error == 0 ? Probe::reachable : error == ECONNREFUSED ? Probe::refused : Probe::silent;
}

bool listens_on(int fd, std::uint16_t port) {
  int listens = 0;
  sockaddr_storage address{};
  socklen_t int_length = sizeof listens, address_length = sizeof address;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_length) != 0 || listens == 0) return false;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&address), &address_length) != 0) return false;
  if (address.ss_family == AF_INET) return ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port) == port;
  return ntohs(reinterpret_cast<sockaddr_in6&>(address).sin6_port) == port;
}

// Lets the kernel keep who connects to the port and says nothing. CAF would keep it for ever; and when such a
// connection closes while another opens, which gets the same descriptor, CAF forgets the wrong one of them.
void wait_for_data(std::uint16_t port) {
  for (const auto& open : std::filesystem::directory_iterator("/proc/self/fd")) {
    const int fd = std::stoi(open.path().filename());
    if (listens_on(fd, port))
      setsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &silence_seconds, sizeof silence_seconds);
  }
}

}  // namespace

bool LinkPatience::lasts(Probe head, TimePoint now) {
  if (std::exchange(last_, head) != head) since_ = now;
  const auto limit = head == Probe::refused ? head_gone : head == Probe::silent ? host_gone : link_refused;
  return now - since_ <= limit;
}

LocalConfig::LocalConfig() {
  add_messages(*this);
  add_message_type<NodeHandle>("troupe::NodeHandle");
  add_message_type<WorkerHandle>("troupe::WorkerHandle");
  set("logger.verbosity", caf::atom("quiet"));
  set("scheduler.policy", caf::atom("sharing"));  // the stealing one polls, and sleeps between
}

LinkedConfig::LinkedConfig(const TlsIdentity& identity) : files_(identity.memory_files()) {
  mend_openssl_calls();
  load<caf::io::middleman>();
  load<caf::openssl::manager>();
  set("middleman.heartbeat-interval", caf::timespan(heartbeat));
  set("middleman.connection-timeout", caf::timespan(silence_limit));
  openssl_cafile = path_of(files_[0]);
  openssl_certificate = path_of(files_[1]);
  openssl_key = path_of(files_[2]);
}

std::uint16_t open_door(caf::actor_system& system, const ReplicaSupervisorHandle& supervisor,
                        const std::string& host, std::uint16_t port) {
  const auto opened = caf::openssl::publish(supervisor, port, host.c_str());
  if (!opened)
    throw Error("cannot listen for nodes and workers: " + system.render(opened.error()),
                host + ":" + std::to_string(port), "choose another --control-host or --control-port");
  wait_for_data(*opened);
  return *opened;
}

caf::error keep_linked(caf::actor_system& system, const std::string& host, std::uint16_t port,
                       const caf::actor_addr& whole,
                       const std::function<void(const ReplicaSupervisorHandle&)>& introduce) {
  caf::scoped_actor self{system};
  self->monitor(whole);
  LinkPatience patience(SteadyClock().now());
  std::optional<caf::error> over;
  std::string last_error;
  for (;;) {
    if (over) return *over;
    const Probe head = probe(host, port);
    if (!patience.lasts(head, SteadyClock().now())) return caf::make_error(caf::sec::cannot_connect_to_node);
    auto supervisor =
        head == Probe::reachable
            ? caf::openssl::remote_actor<ReplicaSupervisorHandle>(system, host, port)
            : caf::expected<ReplicaSupervisorHandle>(caf::make_error(caf::sec::cannot_connect_to_node));
    if (supervisor) {
      self->monitor(*supervisor);
      introduce(*supervisor);
      self->receive([&](const caf::down_msg& down) {
        if (down.source == whole || down.reason == caf::exit_reason::user_shutdown)
          over = down.reason;
        else
          log_event(
              LogLevel::warning, "link_lost",
              {{"pid", getpid()}, {"host", host}, {"port", port}, {"reason", system.render(down.reason)}});
      });
      patience.linked(SteadyClock().now());
    } else {
      if (const auto why = system.render(supervisor.error()); why != std::exchange(last_error, why))
        log_event(LogLevel::warning, "no_link", {{"host", host}, {"port", port}, {"error", why}});
      self->receive(
          [&](const caf::down_msg& down) {
            if (down.source == whole) over = down.reason;
          },
          caf::after(between_attempts) >> [] {});
    }
  }
}

}  // namespace troupe::actors
