#include "actors/replica.hpp"

#include <algorithm>

#include "actors/link/link.hpp"
#include "actors/system_config.hpp"
#include "runtime/base/build_id.hpp"

namespace troupe::actors {
namespace {

class RunningGeneration final : public Generation {
 public:
  explicit RunningGeneration(RequestHandle request) : request_(std::move(request)) {}
  ~RunningGeneration() override { cancel(); }
  void grant(std::int32_t deltas) override { caf::anon_send(request_, Credit{deltas}); }
  void cancel() override { caf::anon_send(request_, CancelRequest{}); }

 private:
  RequestHandle request_;
};

// Of a request that was refused before it was born.
class NoGeneration final : public Generation {
 public:
  void grant(std::int32_t) override {}
  void cancel() override {}
};

std::unique_ptr<caf::actor_system_config> make_config(const ReplicaOptions& options) {
  if (options.processes) return std::make_unique<LinkedConfig>(options.processes->node.identity);
  return std::make_unique<LocalConfig>();
}

}  // namespace

Replica::Replica(ReplicaOptions options)
    : options_(std::move(options)),
      metrics_(std::make_shared<Metrics>(options_.info.names.front())),
      config_(make_config(options_)),
      system_(std::make_unique<caf::actor_system>(*config_)) {
  context_->text = options_.text;
  context_->metrics = metrics_;
  context_->parse_reasoning = options_.parse_reasoning;
  context_->parse_tool_calls = options_.parse_tool_calls;
  context_->max_choices = std::size_t(options_.scheduler.max_waiting);
  context_->max_model_len = options_.scheduler.max_model_len;
  edge_ = system_->spawn(edge_actor, metrics_);
  supervisor_ = system_->spawn(replica_supervisor, supervisor_settings());
  try {
    start_node();
  } catch (...) {
    end();
    throw;
  }
}

ReplicaSettings Replica::supervisor_settings() const {
  const auto& plan = options_.sharding;
  ReplicaSettings settings;
  settings.model = {.checkpoint = options_.checkpoint,
                    .tensor_parallel = plan.tensor_parallel,
                    .data_parallel = plan.data_parallel,
                    .expert_parallel = plan.expert_parallel,
                    .virtual_shards = plan.virtual_shards,
                    .max_tokens = options_.scheduler.max_num_batched_tokens,
                    .max_logit_rows = options_.scheduler.max_num_seqs,
                    .max_positions = options_.scheduler.max_model_len,
                    .blocks = options_.blocks,
                    .block_size = options_.scheduler.block_size};
  if (options_.processes) {
    settings.nodes = options_.processes->nodes;
    settings.build = runtime::build_id();
  }
  settings.experts = options_.experts;
  settings.scheduler = {options_.scheduler, options_.policy, plan.data_parallel, 0, metrics_};
  settings.blocks = {options_.blocks, options_.scheduler.block_size, options_.scheduler.prefix_caching, 0, 0,
                     metrics_};
  settings.restarts = options_.restarts;
  settings.hang_limit = options_.hang_limit;
  settings.status = status_;
  settings.metrics = metrics_;
  settings.edge = edge_;
  return settings;
}

void Replica::start_node() {
  if (!options_.processes) {
    node_ = system_->spawn(local_node, supervisor_, WorkerOptions{options_.threads, "", &ticks_, &progress_});
    return;
  }
  auto& processes = *options_.processes;
  processes.node.place = 0;
  auto& order = processes.node.order;
  order.port = open_door(*system_, supervisor_, order.host, order.port);
  if (processes.door_opened) processes.door_opened(order.port);
  const auto here = system_->spawn(node, processes.node);
  node_ = here;
  caf::anon_send(here, supervisor_);
}

Replica::~Replica() {
  end();
  system_->await_all_actors_done();
}

void Replica::end() {
  progress_.stop = true;
  caf::anon_send(edge_, caf::ok_atom::value);
  caf::anon_send(supervisor_, caf::ok_atom::value);
  if (node_) caf::anon_send(node_, caf::ok_atom::value);  // the supervisor may not have met it yet
}

std::unique_ptr<Generation> Replica::generate(GenerationRequest request,
                                              std::shared_ptr<GenerationSink> sink) {
  if (status_->state == ReplicaStatus::State::failed || status_->state == ReplicaStatus::State::loading) {
    sink->on_failure({RefusalKind::unavailable, "The model is not ready.", "", "not_ready"});
    return std::make_unique<NoGeneration>();
  }
  auto once = std::make_shared<TerminalOnce>(std::move(sink));
  const auto born = system_->spawn(actors::request, std::move(request), context_, once);
  caf::anon_send(edge_, born, once);
  return std::make_unique<RunningGeneration>(born);
}

bool Replica::ready() const {
  const auto state = status_->state.load();
  return state == ReplicaStatus::State::serving || state == ReplicaStatus::State::recovering;
}

bool Replica::healthy() const {
  return status_->state != ReplicaStatus::State::failed;
}

bool Replica::failed_to_start() const {
  return !healthy() && !status_->has_served;
}

std::vector<StartupPhase> Replica::startup() const {
  const bool loaded = ready();
  const std::uint64_t bytes = options_.processes ? status_->loaded_bytes.load() : progress_.done.load();
  // Ranks read some weights more than once in all, so the end is only known from the checkpoint's size.
  return {{"opening_checkpoint", "done", 0, 0},
          {"loading_weights", loaded ? "done" : "running", std::min(bytes, options_.weight_bytes),
           options_.weight_bytes},
          {"ready", loaded ? "done" : "pending", 0, 0}};
}

// Of the rank in this process.
StepId Replica::step_in(Epoch epoch) const {
  const Tick tick = ticks_.read();
  return tick.epoch == epoch ? tick.step : 0;
}

ReplicaView Replica::replica() const {
  ReplicaView view = status_->view();
  view.state = to_string(status_->state.load());
  if (!options_.processes && !view.ranks.empty()) view.ranks.front().step = step_in(view.epoch);
  return view;
}

Expected<void> Replica::drill(const Drill& drill) {
  if (drill.rank < 0 || drill.rank >= options_.sharding.ranks())
    return refuse("there is no rank " + std::to_string(drill.rank), "rank");
  if (drill.group >= GroupId(options_.sharding.data_parallel))
    return refuse("there is no group " + std::to_string(drill.group), "group");
  using Kind = Drill::Kind;
  const bool needs_process = drill.kind == Kind::corrupt_message || drill.kind == Kind::stuck_kernel ||
                             drill.kind == Kind::lost_step;
  if (needs_process && !options_.processes)
    return refuse("this drill is for ranks that are processes of their own, and the server is the only one",
                  "kind");
  caf::anon_send(supervisor_, drill);
  return {};
}

Expected<void> Replica::place_expert(std::int32_t expert, std::vector<std::int32_t> ranks) {
  if (!options_.sharding.expert_parallel)
    return refuse("experts are split over all ranks; start with --enable-expert-parallel to place them",
                  "expert");
  if (expert < 0 || expert >= options_.experts)
    return refuse(
        "there is no expert " + std::to_string(expert) + " among " + std::to_string(options_.experts),
        "expert");
  std::ranges::sort(ranks);
  if (ranks.empty() || std::ranges::adjacent_find(ranks) != ranks.end() || ranks.front() < 0 ||
      ranks.back() >= options_.sharding.ranks())
    return refuse(
        "name one or more different ranks from 0 to " + std::to_string(options_.sharding.ranks() - 1),
        "ranks");
  caf::anon_send(supervisor_, PlaceExpert{expert, std::move(ranks)});
  return {};
}

}  // namespace troupe::actors
