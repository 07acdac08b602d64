#include "actors/node.hpp"

#include <algorithm>

#include "actors/worker_environment.hpp"
#include "runtime/base/build_id.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/thread_pool.hpp"
#include "transport/host/host_memory.hpp"
#include "transport/host/rendezvous.hpp"

namespace troupe::actors {
namespace {

using Self = NodeActor::stateful_pointer<NodeState>;
using LocalSelf = NodeHandle::stateful_pointer<LocalNodeState>;
using runtime::WorkerSeen;

runtime::WorkerEvents events_to(const NodeActor& node) {
  return {
      .exited =
          [node](const WorkerSeen& seen, const std::string& how) {
            caf::anon_send(node, runtime::WorkerExited{seen, how});
          },
      .hangs =
          [node](const WorkerSeen& seen, runtime::Hang hang) {
            caf::anon_send(node, runtime::WorkerHangs{seen, hang});
          },
      .ticks = [node](const std::vector<WorkerSeen>& all) { caf::anon_send(node, runtime::NodeTicks{all}); }};
}

// Of a rank that computes there; the watch begins with the first.
void watch_gpu(Self self, const WatchGpu& order) {
  GpuWatchHandle& watch = self->state.gpus;
  if (!watch) {
    watch = actors::watch_gpus(self->system(), NodeActor(self));
    if (!watch) return;
    self->attach_functor([watch = watch] { caf::anon_send_exit(watch, caf::exit_reason::user_shutdown); });
  }
  self->send(watch, order);
}

void start(Self self, const runtime::StartWorker& order) {
  const auto& settings = self->state.settings;
  runtime::WorkerOrder worker = settings.order;
  worker.start = order;
  worker.start.ranks_of_node = std::max(1, order.ranks_of_node);
  const int ranks_here = settings.nodes_here * worker.start.ranks_of_node;
  worker.threads = settings.threads.value_or(std::max(1, usable_cpus() / ranks_here));
  worker.spin = worker.threads * ranks_here <= usable_cpus();
  const std::string gpu = gpu_of_worker(order.life.rank % ranks_here, variable_of_process);
  worker.environment = worker_environment(gpu, transport::interface_of(worker.network), settings.require_rdma,
                                          variable_of_process);
  if (order.on_gpu) watch_gpu(self, {order.life.rank, gpu});
  self->state.processes->start(worker);
}

// Tells a supervisor that it has not met what lives here.
void introduce(Self self, const ReplicaSupervisorHandle& supervisor) {
  auto& state = self->state;
  state.supervisor = supervisor;
  runtime::NodeArrived arrived{state.index, {}, build_id()};
  for (const WorkerSeen& seen : state.processes->living()) arrived.workers.push_back(seen.life);
  self->request(supervisor, caf::infinite, NodeIntroduced{arrived, caf::actor_cast<NodeHandle>(self)})
      .then(
          [self](const runtime::NodeWelcome& welcome) {
            if (welcome.node < 0) {
              log_event(LogLevel::error, "node_refused", {{"reason", welcome.refusal}});
              return self->quit(caf::make_error(caf::sec::runtime_error,
                                                "the replica refuses this node: " + welcome.refusal));
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
      [self](const runtime::StartWorker& order) { start(self, order); },
      [self](const runtime::KillWorker& order) { self->state.processes->kill(order.life); },
      [self](const End&) {
        self->state.processes.reset();
        self->quit(caf::exit_reason::user_shutdown);
      },
      [self](const runtime::WorkerExited& exited) { self->send(self->state.supervisor, exited); },
      [self](const runtime::WorkerHangs& hangs) { self->send(self->state.supervisor, hangs); },
      [self](const runtime::NodeTicks& ticks) { self->send(self->state.supervisor, ticks); },
      [self](const GpuReadings& gpus) {
        if (self->state.supervisor) self->send(self->state.supervisor, gpus);
      },
      [self](const SupervisorFound& found) { introduce(self, found.supervisor); },
  };
}

NodeHandle::behavior_type local_node(LocalSelf self, ReplicaSupervisorHandle supervisor,
                                     SpawnWorker spawn_worker, const TickBoard* ticks) {
  auto& state = self->state;
  state.supervisor = std::move(supervisor);
  state.spawn_worker = std::move(spawn_worker);
  state.ticks = ticks;
  self->set_down_handler([self](const caf::down_msg& down) {
    auto& state = self->state;
    if (!state.worker || down.source != state.worker.address()) return;
    state.worker = WorkerHandle{};
    Tick last;  // in which step it ended; of the rest the board is another life's by now, or was before
    if (state.ticks) last.epoch = state.ticks->epoch, last.step = state.ticks->step;
    self->send(state.supervisor,
               runtime::WorkerExited{{.life = state.life, .tick = last}, self->system().render(down.reason)});
  });
  // Its place and its build are clear.
  caf::anon_send(state.supervisor, NodeIntroduced{{0, {}, ""}, NodeHandle(self)});
  return {
      [self](const runtime::StartWorker& order) {
        auto& state = self->state;
        state.life = order.life;
        state.worker = state.spawn_worker(self->system());
        self->monitor(state.worker);
        self->send(state.supervisor, WorkerIntroduced{{order.life, getpid()}, state.worker});
      },
      [self](const runtime::KillWorker& order) {
        auto& state = self->state;
        if (state.worker && state.life == order.life) self->send_exit(state.worker, caf::exit_reason::kill);
      },
      [self](const End&) {
        if (self->state.worker) self->send_exit(self->state.worker, caf::exit_reason::user_shutdown);
        self->quit(caf::exit_reason::user_shutdown);
      },
  };
}

}  // namespace troupe::actors
