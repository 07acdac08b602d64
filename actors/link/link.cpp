#include "actors/link/link.hpp"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <caf/io/middleman.hpp>
#include <cerrno>

#include "runtime/base/error.hpp"
#include "runtime/base/file_descriptor.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors {
namespace {

constexpr std::chrono::milliseconds heartbeat{250}, silence_limit{2000}, between_attempts{50},
    probe_limit{300};

// A host that answers for a head that is gone: nobody will listen there again. One that listens and makes no
// link has another authority, or is stopped.
constexpr std::chrono::seconds head_gone{10}, link_refused{30}, host_gone{600};

// CAF connects without a time limit, and would hang for minutes where packets vanish. So a plain connection
// goes first. It sends nothing and ends with a reset, so that the door never hears of it.
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

LinkEnd end_for(caf::actor_system& system, const caf::error& reason) {
  if (reason == caf::exit_reason::user_shutdown) return {LinkEnd::Why::shut_down, "it was shut down"};
  const bool says_why = reason.context().match_elements<std::string>();
  return {LinkEnd::Why::failed, says_why ? reason.context().get_as<std::string>(0) : system.render(reason)};
}

}  // namespace

bool LinkPatience::lasts(Probe head, TimePoint now) {
  if (std::exchange(last_, head) != head) since_ = now;
  const auto limit = head == Probe::refused ? head_gone : head == Probe::silent ? host_gone : link_refused;
  return now - since_ <= limit;
}

void add_links(caf::actor_system_config& config, const TlsIdentity& identity, const LinkLimits& limits) {
  config.load<caf::io::middleman>();
  config.set("middleman.heartbeat-interval", caf::timespan(heartbeat));
  config.set("middleman.connection-timeout", caf::timespan(silence_limit));
  load_tls_middleman(config, tls_context(identity), limits);
}

std::uint16_t open_door(caf::actor_system& system, const caf::strong_actor_ptr& actor, Interface interface,
                        const std::string& host, std::uint16_t port) {
  auto middleman = caf::make_function_view(tls_middleman(system));
  const auto opened =
      middleman(caf::publish_atom::value, port, actor, std::move(interface), host, /*reuse*/ false);
  if (!opened)
    throw Error("cannot listen for nodes and workers: " + system.render(opened.error()),
                host + ":" + std::to_string(port), "choose another --control-host or --control-port");
  return *opened;
}

caf::expected<caf::strong_actor_ptr> link_to(caf::actor_system& system, const Interface& interface,
                                             const std::string& host, std::uint16_t port) {
  auto middleman = caf::make_function_view(tls_middleman(system));
  auto linked = middleman(caf::connect_atom::value, host, port);
  if (!linked) return std::move(linked.error());
  auto& [node, actor, found] = *linked;
  if (!actor) return caf::make_error(caf::sec::no_actor_published_at_port);
  if (!system.assignable(found, interface))
    return caf::make_error(caf::sec::unexpected_actor_messaging_interface);
  return actor;
}

LinkEnd keep_linked(caf::actor_system& system, const Interface& interface, const std::string& host,
                    std::uint16_t port, const caf::actor_addr& whole,
                    const std::function<void(const caf::strong_actor_ptr&)>& introduce) {
  caf::scoped_actor self{system};
  self->monitor(whole);
  LinkPatience patience(now());
  std::optional<LinkEnd> over;
  std::string last_error;
  for (;;) {
    if (over) return *over;
    const Probe head = probe(host, port);
    if (!patience.lasts(head, now())) return {LinkEnd::Why::head_gone, "the head is gone"};
    const auto linked =
        head == Probe::reachable
            ? link_to(system, interface, host, port)
            : caf::expected<caf::strong_actor_ptr>(caf::make_error(caf::sec::cannot_connect_to_node));
    if (linked) {
      self->monitor(*linked);
      introduce(*linked);
      self->receive([&](const caf::down_msg& down) {
        if (down.source == whole || down.reason == caf::exit_reason::user_shutdown)
          over = end_for(system, down.reason);
        else
          log_event(
              LogLevel::warning, "link_lost",
              {{"pid", getpid()}, {"host", host}, {"port", port}, {"reason", system.render(down.reason)}});
      });
      patience.linked(now());
    } else {
      if (const auto why = system.render(linked.error()); why != std::exchange(last_error, why))
        log_event(LogLevel::warning, "no_link", {{"host", host}, {"port", port}, {"error", why}});
      self->receive(
          [&](const caf::down_msg& down) {
            if (down.source == whole) over = end_for(system, down.reason);
          },
          caf::after(between_attempts) >> [] {});
    }
  }
}

}  // namespace troupe::actors
