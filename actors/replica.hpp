// The replica, as its first node sees it: owns the actor system and shows it to the HTTP edge as a Service.
#pragma once

#include "actors/health_probe.hpp"
#include "actors/node.hpp"
#include "actors/replica_supervisor.hpp"
#include "actors/request_supervisor.hpp"
#include "actors/service.hpp"
#include "config/settings.hpp"
#include "model/decoder_limits.hpp"

namespace troupe::actors {

// What a replica needs besides the settings: the model that it serves, and where.
struct ReplicaOptions {
  std::string checkpoint;  // folder
  std::uint64_t weight_bytes = 0;
  std::int32_t experts = 0;     // of the model
  std::int64_t vocab_size = 0;  // logits of a row
  std::shared_ptr<const model::TextModel> text;
  ModelInfo info;
  runtime::KvBudget cache;                                  // of each rank
  kernels::CacheType cache_type = kernels::CacheType::f32;  // likewise
  model::ShardingPlan sharding;                             // but for the rank

  // Workers as processes, on this node and others. Unset: one rank, in this process.
  struct Processes {
    NodeSettings node;  // order.host and order.port: where to listen; port 0: any free one
    // Called with the port once the door is open, before the first worker starts.
    std::function<void(std::uint16_t port)> door_opened;
  };
  std::optional<Processes> processes;
  // How the compute actor of a rank in this process is made; unset: the one that computes, on a thread of its own.
  std::function<ComputeHandle(caf::actor_system&, const WorkerOptions&)> spawn_compute{};
  std::shared_ptr<runtime::CycleListener> listener{};  // to all that happens to the scheduler; null: nobody
};

class Replica final : public Service {
 public:
  // Starts all actors; weights are read behind the caller's back, see ready(). settings: outlive this. Throws
  // Error when the door of the replica cannot be opened.
  Replica(const config::Settings& settings, ReplicaOptions options);
  ~Replica() override;  // ends every stream, waits for all actors

  std::unique_ptr<GenerationHandle> generate(runtime::GenerationRequest request,
                                             std::shared_ptr<GenerationSink> sink) override;
  void tokenize(runtime::GenerationRequest request, Done<std::vector<TokenId>> done) override;
  void detokenize(std::vector<TokenId> tokens, std::string caller, Done<std::string> done) override;
  std::string vocabulary_entry(TokenId token) const override;
  const ModelInfo& model() const override { return options_.info; }
  bool ready() const override;
  bool healthy() const override;
  bool stalled() const override;
  bool failed_to_start() const;  // it has given up, and never served
  // Then, if memory was too short: with which settings it would not be.
  runtime::StartSettings settings_that_fit() const { return status_->fits(); }
  std::vector<StartupPhase> startup() const override;
  std::int64_t load() const override { return context_->generations; }
  std::string metrics_text(const KeptAnswers& kept) const override { return metrics_->text(kept); }
  Expected<void> accepts(const TimeLimits& times) const override;
  runtime::ReplicaView replica() const override;
  Expected<void> drill(const Drill& drill) override;
  Expected<void> place_expert(std::int32_t expert, std::vector<std::int32_t> ranks) override;
  runtime::ScheduleView schedule() const override { return schedule_->view(); }
  Expected<void> change_policy(runtime::PolicyChoice policy) override;

 private:
  ReplicaSettings supervisor_settings() const;
  void start_node();
  void start_probe();
  void end();  // of all actors, soon
  // In the queue of prompts: done gets what work(text, rules) returns.
  template <class T, class Work>
  void on_text(std::uint64_t caller, Done<T> done, Work work);
  StepId step_in(Epoch epoch) const;
  std::uint64_t loaded_bytes() const;

  const config::Settings& deployment_;
  ReplicaOptions options_;
  TickBoard ticks_;  // of the rank in this process, as is:
  model::Progress progress_;
  std::shared_ptr<ReplicaStatus> status_ = std::make_shared<ReplicaStatus>();
  std::shared_ptr<ScheduleStatus> schedule_ = std::make_shared<ScheduleStatus>();
  std::shared_ptr<Metrics> metrics_;
  std::shared_ptr<RequestContext> context_ = std::make_shared<RequestContext>();
  model::GrammarCompiler compiler_;
  model::GrammarCache grammars_;
  std::unique_ptr<caf::actor_system_config> config_;
  std::unique_ptr<caf::actor_system> system_;
  JobQueue tokenizing_, compiling_;  // behind the system, to whose actors their jobs speak
  RequestSupervisorHandle requests_;
  ReplicaSupervisorHandle supervisor_;
  NodeHandle node_;
  std::optional<HealthProbe> probe_;  // last, since it asks all others
};

}  // namespace troupe::actors
