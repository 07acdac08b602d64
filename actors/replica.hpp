// The replica of this process: owns the actor system and shows it to the HTTP edge as a Service.
#pragma once

#include "actors/edge_actor.hpp"
#include "actors/replica_supervisor.hpp"
#include "actors/scheduler_actor.hpp"
#include "actors/service.hpp"

namespace troupe::actors {

struct ReplicaOptions {
  std::shared_ptr<const model::Checkpoint> checkpoint;
  std::shared_ptr<const model::TextModel> text;
  ModelInfo info;
  std::string policy = "decode_first";
  runtime::SchedulerLimits scheduler;
  std::int32_t blocks = 0;
  int threads = 1;
  int virtual_shards = 16;
  bool parse_reasoning = true, parse_tool_calls = true;  // where the tokenizer has the markers
  runtime::RestartPolicy::Limits restarts;
};

class Replica final : public Service {
 public:
  // Starts all actors; weights are read behind the caller's back, see ready().
  explicit Replica(ReplicaOptions options);
  ~Replica() override;  // ends every stream, waits for all actors

  std::unique_ptr<Generation> generate(GenerationRequest request,
                                       std::shared_ptr<GenerationSink> sink) override;
  const ModelInfo& model() const override { return options_.info; }
  bool ready() const override;
  bool healthy() const override;
  std::vector<StartupPhase> startup() const override;
  std::string metrics_text() const override { return metrics_->text(); }

  // Fault drill: the worker overwrites its KV storage and dies.
  void crash_worker();
  const ReplicaStatus& status() const { return *status_; }

 private:
  struct Config : caf::actor_system_config {
    Config();
  };
  ReplicaSettings supervisor_settings() const;

  ReplicaOptions options_;
  std::shared_ptr<model::Progress> progress_ = std::make_shared<model::Progress>();
  std::shared_ptr<ReplicaStatus> status_ = std::make_shared<ReplicaStatus>();
  std::shared_ptr<Metrics> metrics_;
  std::shared_ptr<RequestContext> context_ = std::make_shared<RequestContext>();
  Config config_;
  caf::actor_system system_;
  EdgeHandle edge_;
  ReplicaSupervisorHandle supervisor_;
};

}  // namespace troupe::actors
