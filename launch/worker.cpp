// The process of one rank, started by its node; it connects to the replica's supervisor and obeys.
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>

#include <algorithm>
#include <thread>

#include "actors/link/link.hpp"
#include "actors/system_config.hpp"
#include "actors/worker.hpp"
#include "launch/command_line.hpp"
#include "runtime/base/log.hpp"
#include "runtime/recovery/worker_order.hpp"

namespace troupe::launch {
namespace {

constexpr config::Page page{
    .command = "worker",
    .summary = "is what nodes start, one process a rank",
    .description =
        "Not to be called by hand: it takes its orders from the node that it is started by, from files that it "
        "inherits. troupe serve and troupe node start as many as a replica needs."};

// What the node holds of the life before, and where it is told what to hold of this one. shared: how many files of the
// node's lie between.
MemoryKeeper keeper_of(const runtime::WorkerOrder& order, int shared) {
  std::vector<HeldFile> inherited;
  int next = runtime::InheritedFiles::first_shared + shared;
  for (const HeldPiece& piece : order.held) inherited.push_back({piece, FileDescriptor(next++)});
  return {std::move(inherited), FileDescriptor(runtime::InheritedFiles::held_memory)};
}

// The pipe has no writer but the node, so its end is the node's.
void end_with_node() {
  std::thread([] {
    char nothing;
    while (read(runtime::InheritedFiles::node_alive, &nothing, 1) < 0 && errno == EINTR) {
    }
    _exit(0);
  }).detach();
}

}  // namespace

int worker(const Arguments& arguments) {
  using runtime::InheritedFiles;
  if (arguments == Arguments{"--help"}) {
    show_page(page, {});
    return 0;
  }
  if (!arguments.empty()) throw Error("takes no arguments", "troupe worker", "use troupe serve");
  constexpr int host_memory = InheritedFiles::first_shared + actors::TlsIdentity::files;
  if (fcntl(host_memory, F_GETFD) < 0) runtime::worker_order("");  // says what to use instead
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_NAME, "troupe-worker");
  const auto order = runtime::worker_order(take_memory_file(InheritedFiles::order));
  end_with_node();
  set_log_level(parse_log_level(order.log_level));
  const FileDescriptor tick_file(InheritedFiles::ticks);
  const Shared<TickBoard> ticks(tick_file);
  const FileDescriptor tensors_file(host_memory);
  const Shared<transport::HostMemory> tensors(tensors_file);
  MemoryKeeper keeper = keeper_of(order, actors::TlsIdentity::files + 1);

  actors::LinkedConfig config(actors::TlsIdentity::take(InheritedFiles::first_shared));
  caf::actor_system system{config};
  actors::WorkerOptions options{order.threads, order.network, &*ticks};
  const std::int32_t here = order.start.ranks_of_node;
  if (order.keep_weights) options.keeper = &keeper;
  options.host = {&*tensors, order.start.life.rank / here * here,
                  std::min(here, transport::max_ranks_of_host), order.spin};
  const auto rank =
      system.spawn(actors::worker, options, system.spawn<caf::detached>(actors::compute, options));
  const actors::WorkerIntroduced introduction{{order.start.life, getpid()}, rank};
  const actors::LinkEnd end = actors::keep_linked<actors::ReplicaSupervisorHandle>(
      system, order.host, order.port, rank.address(),
      [&](const actors::ReplicaSupervisorHandle& supervisor) { caf::anon_send(supervisor, introduction); });
  log_event(LogLevel::info, "worker_ended", {{"rank", order.start.life.rank}, {"reason", end.reason}});
  // The compute thread may be anywhere; the process' end is the end of it.
  _exit(1);
}

}  // namespace troupe::launch
