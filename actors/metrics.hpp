// The replica's Prometheus metrics: vLLM's names after the prefix `troupe_`. Labels are closed: their values come from the
// program, the deployment and its hardware, never from a request. Thread-safe; shared by the actors.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "actors/kept_answers.hpp"
#include "runtime/base/gpu_reading.hpp"
#include "runtime/base/ticks.hpp"
#include "runtime/generation/choice_times.hpp"
#include "runtime/generation/output_filter.hpp"
#include "runtime/generation/request.hpp"
#include "runtime/scheduling/blocks.hpp"
#include "runtime/scheduling/scheduler.hpp"

namespace troupe::actors {

class Metrics {
 public:
  // also_vllm_names: those that vLLM has, too, are shown a second time as `vllm:*`. region: a label of all; empty: none.
  explicit Metrics(const std::string& model_name, bool also_vllm_names = false, std::string region = {});
  ~Metrics();

  // Prometheus exposition format; with what the edge keeps, this process' figures and its host's.
  std::string text(const KeptAnswers& kept = {}) const;

  // What scheduler and pool counted, after each step or change of queue. Counters take the growth since the
  // last call.
  void scheduler(const runtime::SchedulerStats& stats);
  void blocks(GroupId group, const runtime::PoolUsage& usage);
  void cache_config(GroupId group, std::int32_t blocks, std::int32_t block_size, bool prefix_caching);
  void step_committed(std::chrono::duration<double> took);
  void expert_load(int rank,
                   std::span<const std::uint64_t> tokens);  // growing, by expert; of one rank's group

  // n and max_tokens: as the request has them.
  void request_tokenized(std::size_t prompt_tokens, std::int32_t n, std::optional<std::int32_t> max_tokens);
  // Each output token is told once, as its choice's first or as a later one.
  void first_token(std::chrono::duration<double> since_arrival);
  void next_token(std::chrono::duration<double> since_previous);
  void choice_finished(runtime::ChoiceEnd how);
  void choice_served(const runtime::ChoiceTimes& times);
  void request_finished(std::chrono::duration<double> since_arrival);
  void request_quarantined();
  void repetition_ended();  // a choice
  void filter_matched(const runtime::FilterMatch& match);

  void epoch(Epoch now);
  void loaded(int rank, std::uint64_t bytes);  // of weights, since the rank's process began
  void worker_restarted();
  void fault(const std::string& kind, std::optional<int> rank, const Tick& last);  // of the culprit
  void device_error(DeviceFaultKind kind);                                         // that ended a worker
  void recovered(std::chrono::duration<double> since_fault);
  void gpu(const GpuReading& reading);  // of a rank
  void stale_message();                 // dropped because its epoch is over

 private:
  struct Families;
  std::unique_ptr<Families> families_;
  const std::string model_name_;
  const bool also_vllm_names_;
  const std::string region_;
};

}  // namespace troupe::actors
