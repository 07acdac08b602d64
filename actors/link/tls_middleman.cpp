#include "actors/link/tls_middleman.hpp"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <atomic>
#include <caf/all.hpp>
#include <caf/io/all.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/middleman_actor_impl.hpp>
#include <caf/io/network/default_multiplexer.hpp>
#include <caf/io/network/doorman_impl.hpp>
#include <caf/io/network/stream_impl.hpp>
#include <csignal>

#include "actors/link/handshakes.hpp"
#include "actors/link/tls_session.hpp"
#include "runtime/base/error.hpp"

namespace troupe::actors {
namespace {

namespace io = caf::io;
using io::network::default_multiplexer;
using io::network::native_socket;

constexpr int silence_seconds = 5;  // of a connection before it is let in after all
const caf::atom_value registered_name = caf::atom("TlsLinks");

// Shared by all connections of a system; outlived by none.
struct LinkPolicy {
  LinkPolicy(TlsContext context, const LinkLimits& limits)
      : context(std::move(context)),
        limits(limits),
        handshakes(limits.most_handshakes, limits.handshake_limit) {}
  const TlsContext context;
  const LinkLimits limits;
  Handshakes handshakes;
};
using LinkPolicyPtr = std::shared_ptr<LinkPolicy>;

// Never the same twice in a process, unlike descriptors.
io::connection_handle new_handle() {
  static std::atomic<std::int64_t> last{0};
  return io::connection_handle::from_int(++last);
}

// A connection. Owns its socket.
class TlsScribe final : public io::scribe {
 public:
  TlsScribe(default_multiplexer& multiplexer, native_socket socket, LinkPolicyPtr policy,
            TlsSession::Side side)
      : scribe(new_handle()),
        policy_(std::move(policy)),
        stream_(multiplexer, socket, session_),
        session_(policy_->context, socket, side, [this] { flush(); }) {
    policy_->handshakes.goes_on(this, socket);
  }
  ~TlsScribe() override { policy_->handshakes.is_over(this); }

  // The second is at most what the header before claimed. CAF would allocate that when this call has returned.
  void configure_read(io::receive_policy::config config) override {
    if (config.second > policy_->limits.most_payload) return session_.end();
    stream_.configure_read(config);
    if (!std::exchange(launched_, true)) launch();
  }

  bool consume(caf::execution_unit* context, const void* bytes, std::size_t size) override {
    if (std::exchange(unheard_, false)) policy_->handshakes.is_over(this);
    return scribe::consume(context, bytes, size);
  }

  // What is written before the peer is known waits for that. CAF's stream would spin over it.
  void flush() override {
    if (session_.is_established()) stream_.flush(this);
  }

  // CAF waits for the peer to close the connection, too.
  void graceful_shutdown() override {
    policy_->handshakes.goes_on(this, stream_.fd());
    stream_.graceful_shutdown();
    detach(&stream_.backend(), false);
  }

  void ack_writes(bool enable) override { stream_.ack_writes(enable); }
  std::vector<char>& wr_buf() override { return stream_.wr_buf(); }
  std::vector<char>& rd_buf() override { return stream_.rd_buf(); }
  std::string addr() const override {
    const auto known = io::network::remote_addr_of_fd(stream_.fd());
    return known ? *known : std::string();
  }
  std::uint16_t port() const override {
    const auto known = io::network::remote_port_of_fd(stream_.fd());
    return known ? *known : std::uint16_t(0);
  }
  void add_to_loop() override { stream_.activate(this); }
  void remove_from_loop() override { stream_.passivate(); }

 private:
  void launch() {
    stream_.start(this);
    session_.advance();  // a failure is seen where CAF reads next
  }

  const LinkPolicyPtr policy_;
  bool launched_ = false, unheard_ = true;
  io::network::stream_impl<TlsSession&> stream_;  // closes the socket
  TlsSession session_;
};

class TlsDoorman final : public io::network::doorman_impl {
 public:
  TlsDoorman(default_multiplexer& multiplexer, native_socket socket, LinkPolicyPtr policy)
      : doorman_impl(multiplexer, socket), policy_(std::move(policy)) {}

  bool new_connection() override {
    const native_socket socket = acceptor_.accepted_socket();
    if (detached()) {  // the door has just been closed
      io::network::close_socket(socket);
      return false;
    }
    auto& multiplexer = acceptor_.backend();
    auto scribe = caf::make_counted<TlsScribe>(multiplexer, socket, policy_, TlsSession::Side::accepts);
    const auto handle = scribe->hdl();
    parent()->add_scribe(std::move(scribe));
    return doorman::new_connection(&multiplexer, handle);
  }

 private:
  const LinkPolicyPtr policy_;
};

class TlsMiddleman final : public io::middleman_actor_impl {
 public:
  TlsMiddleman(caf::actor_config& config, caf::actor broker, LinkPolicyPtr policy)
      : middleman_actor_impl(config, std::move(broker)), policy_(std::move(policy)) {}

  const char* name() const override { return "tls_middleman"; }

 protected:
  caf::expected<io::scribe_ptr> connect(const std::string& host, std::uint16_t port) override {
    const auto socket = io::network::new_tcp_connection(host, port);
    if (!socket) return socket.error();
    return caf::make_counted<TlsScribe>(multiplexer(), *socket, policy_, TlsSession::Side::connects);
  }

  caf::expected<io::doorman_ptr> open(std::uint16_t port, const char* address, bool reuse) override {
    const auto socket = io::network::new_tcp_acceptor_impl(port, address, reuse);
    if (!socket) return socket.error();
    // The kernel keeps who connects and says nothing: they take no place among the handshakes.
    setsockopt(*socket, IPPROTO_TCP, TCP_DEFER_ACCEPT, &silence_seconds, sizeof silence_seconds);
    return caf::make_counted<TlsDoorman>(multiplexer(), *socket, policy_);
  }

 private:
  default_multiplexer& multiplexer() {
    return dynamic_cast<default_multiplexer&>(system().middleman().backend());
  }

  const LinkPolicyPtr policy_;
};

class TlsModule final : public caf::actor_system::module {
 public:
  TlsModule(caf::actor_system& system, TlsContext context, const LinkLimits& limits)
      : system_(system), policy_(std::make_shared<LinkPolicy>(std::move(context), limits)) {}

  void start() override {
    const auto broker = system_.middleman().named_broker<io::basp_broker>(caf::atom("BASP"));
    middleman_ = system_.spawn<TlsMiddleman, caf::detached + caf::hidden>(broker, policy_);
    system_.registry().put(registered_name, caf::actor_cast<caf::strong_actor_ptr>(middleman_));
  }

  void stop() override {
    system_.registry().erase(registered_name);
    caf::scoped_actor self{system_, true};
    self->send_exit(middleman_, caf::exit_reason::kill);
    self->wait_for(middleman_);
    middleman_ = nullptr;
  }

  void init(caf::actor_system_config&) override {}
  id_t id() const override { return openssl_manager; }
  void* subtype_ptr() override { return this; }

 private:
  caf::actor_system& system_;
  const LinkPolicyPtr policy_;
  io::middleman_actor middleman_;
};

}  // namespace

void load_tls_middleman(caf::actor_system_config& config, TlsContext context, const LinkLimits& limits) {
  signal(SIGPIPE, SIG_IGN);  // a peer that left is an error of its own write
  config.module_factories.push_back([context = std::move(context), limits](caf::actor_system& system) {
    return new TlsModule(system, context, limits);  // the system owns it
  });
}

caf::io::middleman_actor tls_middleman(caf::actor_system& system) {
  const auto found = system.registry().get(registered_name);
  CHECK(found, "links");
  return caf::actor_cast<caf::io::middleman_actor>(found);
}

}  // namespace troupe::actors
