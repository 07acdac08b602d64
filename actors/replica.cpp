#include "actors/replica.hpp"

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

}  // namespace

Replica::Config::Config() {
  add_messages(*this);
  set("logger.verbosity", caf::atom("quiet"));
  set("scheduler.policy", caf::atom("sharing"));  // the stealing one polls, and sleeps between
}

ReplicaSettings Replica::supervisor_settings() const {
  ReplicaSettings settings;
  settings.worker.checkpoint = options_.checkpoint;
  settings.worker.sharding.virtual_shards = options_.virtual_shards;
  settings.worker.limits = {.max_tokens = options_.scheduler.max_num_batched_tokens,
                            .max_logit_rows = options_.scheduler.max_num_seqs,
                            .max_positions = options_.scheduler.max_model_len};
  settings.worker.blocks = options_.blocks;
  settings.worker.block_size = options_.scheduler.block_size;
  settings.worker.threads = options_.threads;
  settings.worker.progress = progress_;
  settings.worker.metrics = metrics_;
  settings.blocks = {options_.blocks, options_.scheduler.block_size, options_.scheduler.prefix_caching, 0,
                     metrics_};
  settings.restarts = options_.restarts;
  settings.status = status_;
  settings.metrics = metrics_;
  return settings;
}

Replica::Replica(ReplicaOptions options)
    : options_(std::move(options)),
      metrics_(std::make_shared<Metrics>(options_.info.names.front())),
      system_(config_) {
  const auto scheduler =
      system_.spawn<caf::detached>(scheduler_actor, options_.scheduler, options_.policy, metrics_);
  context_->text = options_.text;
  context_->scheduler = scheduler;
  context_->metrics = metrics_;
  context_->parse_reasoning = options_.parse_reasoning;
  context_->parse_tool_calls = options_.parse_tool_calls;
  context_->max_choices = std::size_t(options_.scheduler.max_waiting);
  context_->max_model_len = options_.scheduler.max_model_len;
  edge_ = system_.spawn(edge_actor, metrics_);
  supervisor_ = system_.spawn(replica_supervisor, supervisor_settings(), scheduler);
}

Replica::~Replica() {
  progress_->stop = true;
  caf::anon_send(edge_, caf::ok_atom::value);
  caf::anon_send(supervisor_, caf::ok_atom::value);
  caf::anon_send_exit(context_->scheduler, caf::exit_reason::user_shutdown);
  system_.await_all_actors_done();
  context_->scheduler = SchedulerHandle{};
}

std::unique_ptr<Generation> Replica::generate(GenerationRequest request,
                                              std::shared_ptr<GenerationSink> sink) {
  if (status_->state == ReplicaStatus::State::failed || status_->state == ReplicaStatus::State::loading) {
    sink->on_failure({RefusalKind::unavailable, "The model is not ready.", "", "not_ready"});
    return std::make_unique<NoGeneration>();
  }
  auto once = std::make_shared<TerminalOnce>(std::move(sink));
  const auto born = system_.spawn(actors::request, std::move(request), context_, once);
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

std::vector<StartupPhase> Replica::startup() const {
  const bool loaded = ready();
  return {{"opening_checkpoint", "done", 0, 0},
          {"loading_weights", loaded ? "done" : "running", progress_->done, progress_->total},
          {"ready", loaded ? "done" : "pending", 0, 0}};
}

void Replica::crash_worker() {
  caf::anon_send(supervisor_, CrashWorker{});
}

}  // namespace troupe::actors
