#include "actors/node.hpp"

#include <algorithm>

#include "runtime/base/build_id.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/thread_pool.hpp"
#include "transport/host/host_memory.hpp"

namespace troupe::actors {
namespace {

using Self = NodeActor::stateful_pointer<NodeState>;
using LocalSelf = NodeHandle::stateful_pointer<LocalNodeState>;
using Seen = runtime::WorkerEvents::Seen;

runtime::WorkerEvents events_to(const NodeActor& node) {
  return {.exited =
              [node](const Seen& seen, const std::string& how) {
                caf::anon_send(node, WorkerExited{seen.life.rank, seen.life.incarnation, how,
                                                  milliseconds(seen.silence), seen.tick});
              },
          .hangs =
              [node](const Seen& seen, runtime::Hang hang) {
                caf::anon_send(node, WorkerHangs{seen.life.rank, seen.life.incarnation, hang,
                                                 milliseconds(seen.silence), seen.tick});
              },
          .ticks =
              [node](const std::vector<Seen>& all) {
                NodeTicks ticks;
                for (const Seen& seen : all)
                  ticks.workers.push_back({seen.life.rank, seen.life.incarnation, milliseconds(seen.silence),
                                           milliseconds(seen.waited), seen.tick});
                caf::anon_send(node, std::move(ticks));
              }};
}

void start(Self self, const StartWorker& order) {
  const auto& settings = self->state.settings;
  runtime::WorkerOrder worker = settings.order;
  worker.rank = order.rank;
  worker.incarnation = order.incarnation;
  worker.ranks_of_node = std::max(1, order.ranks_of_node);
  worker.threads =
      settings.threads.value_or(std::max(1, usable_cpus() / (settings.nodes_here * worker.ranks_of_node)));
  worker.spin = worker.threads * worker.ranks_of_node * settings.nodes_here <= usable_cpus();
  worker.hang_limit_ms = order.hang_limit_ms;
  self->state.processes->start(worker);
}

// Tells a supervisor that it has not met what lives here.
void introduce(Self self, const ReplicaSupervisorHandle& supervisor) {
  auto& state = self->state;
  state.supervisor = supervisor;
  NodeArrived arrived{state.index, {}, runtime::build_id()};
  for (const Seen& seen : state.processes->living())
    arrived.workers.push_back({seen.life.rank, seen.life.incarnation, seen.pid});
  self->request(supervisor, caf::infinite, arrived, caf::actor_cast<NodeHandle>(self))
      .then(
          [self](const NodeWelcome& welcome) {
            if (welcome.node < 0) {
              log_event(LogLevel::error, "node_refused", {{"reason", welcome.refusal}});
              return self->quit(caf::make_error(caf::sec::invalid_argument, welcome.refusal));
            }
            self->state.index = welcome.node;
          },
          [](const caf::error&) {});  // the link broke again
}

}  // namespace

NodeActor::behavior_type node(Self self, NodeSettings settings) {
  auto& state = self->state;
  state.settings = std::move(settings);
  state.index = state.settings.place;
  std::vector<FileDescriptor> shared = state.settings.identity.memory_files();
  shared.push_back(transport::host_memory_file());
  state.processes = std::make_unique<runtime::WorkerProcesses>(std::vector<std::string>{"troupe", "worker"},
                                                               std::move(shared), events_to(self));
  self->set_exit_handler([self](const caf::exit_msg& exit) { self->quit(exit.reason); });
  return {
      [self](const StartWorker& order) { start(self, order); },
      [self](const KillWorker& order) {
        self->state.processes->kill({order.rank, order.incarnation});
      },
      [self](caf::ok_atom) {
        self->state.processes.reset();
        self->quit(caf::exit_reason::user_shutdown);
      },
      [self](const WorkerExited& exited) { self->send(self->state.supervisor, exited); },
      [self](const WorkerHangs& hangs) { self->send(self->state.supervisor, hangs); },
      [self](const NodeTicks& ticks) { self->send(self->state.supervisor, ticks); },
      [self](const ReplicaSupervisorHandle& supervisor) { introduce(self, supervisor); },
  };
}

NodeHandle::behavior_type local_node(LocalSelf self, ReplicaSupervisorHandle supervisor,
                                     WorkerOptions options) {
  auto& state = self->state;
  state.supervisor = std::move(supervisor);
  state.options = options;
  self->set_down_handler([self](const caf::down_msg& down) {
    auto& state = self->state;
    if (!state.worker || down.source != state.worker.address()) return;
    state.worker = WorkerHandle{};
    self->send(
        state.supervisor,
        WorkerExited{state.life.rank, state.life.incarnation, self->system().render(down.reason), 0, {}});
  });
  caf::anon_send(state.supervisor, NodeArrived{0, {}, ""},
                 NodeHandle(self));  // its place and build are clear
  return {
      [self](const StartWorker& order) {
        auto& state = self->state;
        state.life = {order.rank, order.incarnation, getpid()};
        state.worker = self->spawn<caf::monitored>(worker, state.options);
        self->send(state.supervisor, WorkerArrived{order.rank, order.incarnation, state.life.pid},
                   state.worker);
      },
      [self](const KillWorker& order) {
        auto& state = self->state;
        if (state.worker && state.life.incarnation == order.incarnation)
          self->send_exit(state.worker, caf::exit_reason::kill);
      },
      [self](caf::ok_atom) {
        if (self->state.worker) self->send_exit(self->state.worker, caf::exit_reason::user_shutdown);
        self->quit(caf::exit_reason::user_shutdown);
      },
  };
}

}  // namespace troupe::actors
