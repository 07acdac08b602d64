#include "actors/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <algorithm>
#include <iterator>
#include <map>
#include <mutex>

#include "actors/process_figures.hpp"
#include "actors/vllm_names.hpp"

namespace troupe::actors {
namespace {

using prometheus::Counter;
using prometheus::Gauge;
using prometheus::Histogram;

const Histogram::BucketBoundaries latency_seconds{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
                                                  0.5,   1,      2.5,   5,    10,    30,   60,  120};
const Histogram::BucketBoundaries powers_of_two{1,   2,   4,    8,    16,   32,   64,   128,
                                                256, 512, 1024, 2048, 4096, 8192, 16384};
const Histogram::BucketBoundaries token_counts{1,    2,    5,    10,    20,    50,    100,    200,   500,
                                               1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000};
const Histogram::BucketBoundaries choice_counts{1, 2, 5, 10, 20, 50, 100};

// What a request wants quickly: to be read as it is written, to be whole by a time, or nothing.
const char* slo_class(const ServiceLevels& levels) {
  if (levels.ttft_slo_ms > 0 || levels.tpot_slo_ms > 0) return "interactive";
  return levels.latency_slo_ms > 0 ? "deadline" : "none";
}

// Moves a counter to a total that only grows; a total that began again (a new pool, a new scheduler) counts
// from zero.
class Growth {
 public:
  void to(std::uint64_t total, Counter& counter) {
    counter.Increment(double(total >= last_ ? total - last_ : total));
    last_ = total;
  }

 private:
  std::uint64_t last_ = 0;
};

}  // namespace

struct Metrics::Families {
  prometheus::Registry registry;
  prometheus::Labels labels;

  Counter& counter(const std::string& name, const std::string& help) {
    return prometheus::BuildCounter().Name("troupe_" + name).Help(help).Register(registry).Add(labels);
  }
  Gauge& gauge(const std::string& name, const std::string& help) {
    return prometheus::BuildGauge().Name("troupe_" + name).Help(help).Register(registry).Add(labels);
  }
  Histogram& histogram(const std::string& name, const std::string& help,
                       const Histogram::BucketBoundaries& buckets) {
    return prometheus::BuildHistogram()
        .Name("troupe_" + name)
        .Help(help)
        .Register(registry)
        .Add(labels, buckets);
  }

  // The labels of all, and another.
  prometheus::Labels with(const std::string& name, std::string value) const {
    prometheus::Labels more = labels;
    more[name] = std::move(value);
    return more;
  }

  explicit Families(const std::string& model_name) : labels{{"model_name", model_name}} {
    // There before the first one, so that what it adds is seen as growth.
    using runtime::ChoiceEnd;
    for (const ChoiceEnd how : {ChoiceEnd::stop, ChoiceEnd::length, ChoiceEnd::tool_calls,
                                ChoiceEnd::content_filter, ChoiceEnd::abort, ChoiceEnd::error})
      success.Add(with("finished_reason", std::string(to_string(how))));
    for (const ServiceLevels& each : {ServiceLevels{}, ServiceLevels{1, 0, 0}, ServiceLevels{0, 0, 1}})
      for (const bool met : {false, true}) slo_counter(each, met);
  }

  Counter& slo_counter(const ServiceLevels& levels, bool met) {
    auto of_class = with("slo_class", slo_class(levels));
    of_class["met"] = met ? "true" : "false";
    return slo.Add(of_class);
  }

  Gauge& running = gauge("num_requests_running", "Sequences that hold KV blocks.");
  Gauge& waiting = gauge("num_requests_waiting", "Sequences that wait for KV blocks.");
  // By vLLM's words.
  prometheus::Family<Gauge>& waiting_by_reason =
      prometheus::BuildGauge()
          .Name("troupe_num_requests_waiting_by_reason")
          .Help("Sequences that wait for KV blocks: for capacity, or deferred by their reader or a grammar.")
          .Register(registry);
  Gauge& waiting_for_capacity = waiting_by_reason.Add(with("reason", "capacity"));
  Gauge& deferred = waiting_by_reason.Add(with("reason", "deferred"));
  prometheus::Family<Gauge>& cache_config = prometheus::BuildGauge()
                                                .Name("troupe_cache_config_info")
                                                .Help("1; its labels tell of an attention group's KV cache.")
                                                .Register(registry);
  prometheus::Family<Gauge>& cache_usage =
      prometheus::BuildGauge()
          .Name("troupe_kv_cache_usage_perc")
          .Help("Share of an attention group's KV blocks that sequences hold, 0 to 1.")
          .Register(registry);
  prometheus::Family<Gauge>& cache_generation =
      prometheus::BuildGauge()
          .Name("troupe_kv_cache_generation")
          .Help("How often all KV blocks of an attention group became void.")
          .Register(registry);
  Gauge& epoch = gauge("epoch", "The replica's epoch; grows with each change of its membership.");
  Counter& prefix_queries =
      counter("prefix_cache_queries_total", "Prompt tokens looked up in the prefix cache.");
  Counter& prefix_hits = counter("prefix_cache_hits_total", "Prompt tokens found in the prefix cache.");
  Counter& drafts = counter("spec_decode_num_drafts_total", "Times that a sequence had drafts in a step.");
  Counter& draft_tokens = counter("spec_decode_num_draft_tokens_total", "Drafts that were verified.");
  Counter& accepted_tokens = counter("spec_decode_num_accepted_tokens_total", "Drafts that were right.");
  prometheus::Family<Counter>& accepted_at = prometheus::BuildCounter()
                                                 .Name("troupe_spec_decode_num_accepted_tokens_per_pos_total")
                                                 .Help("Drafts that were right, by their place.")
                                                 .Register(registry);
  Counter& forced_tokens = counter("jump_ahead_num_draft_tokens_total",
                                   "Tokens that a grammar forced, verified ahead like drafts.");
  Counter& accepted_forced_tokens =
      counter("jump_ahead_num_accepted_tokens_total", "Those that were right: steps saved.");
  Counter& preemptions =
      counter("num_preemptions_total", "Sequences that lost their blocks to more urgent ones.");
  Counter& replayed =
      counter("replayed_tokens_total", "Output tokens computed again after a preemption or a fault.");
  Counter& policy_failures =
      counter("policy_failures_total", "Proposals in whose place sequences went in order of arrival.");
  Counter& shadow_steps =
      counter("shadow_policy_steps_total", "Steps of which --shadow-policy would have made its own.");
  Counter& shadow_different_steps =
      counter("shadow_policy_different_steps_total", "Those for which it would have chosen otherwise.");
  Counter& shadow_different_sequences =
      counter("shadow_policy_different_sequences_total",
              "Sequences that it would have given another number of tokens, summed over steps.");
  Counter& prompt_tokens = counter("prompt_tokens_total", "Prompt tokens of requests.");
  Counter& generation_tokens =
      counter("generation_tokens_total", "Output tokens, those past a stop left out.");
  Counter& quarantined =
      counter("requests_quarantined_total", "Requests that were stopped because workers died of them.");
  Counter& repetitions = counter("repetition_guard_ends_total",
                                 "Choices that --repetition-guard ended, since they went round in circles.");
  prometheus::Family<Counter>& filter_matches =
      prometheus::BuildCounter()
          .Name("troupe_output_filter_matches_total")
          .Help(
              "Matches in answers by a filter of --output-filters and what came of them: stop, mask, or limit, where "
              "a rule could not be decided within its limits and the answer ended.")
          .Register(registry);
  Counter& restarts = counter("worker_restarts_total", "Workers started again after a fault.");
  prometheus::Family<Counter>& faults =
      prometheus::BuildCounter()
          .Name("troupe_faults_total")
          .Help("Deaths, hangs and cuts that ended an epoch, by kind, culprit and what it was in.")
          .Register(registry);
  prometheus::Family<Counter>& device_errors =
      prometheus::BuildCounter()
          .Name("troupe_device_errors_total")
          .Help("Failures of a rank's GPU that ended its worker, by kind.")
          .Register(registry);
  Gauge& fault_step = gauge("last_fault_step", "The step in which the last fault's culprit was.");
  Gauge& fault_layer = gauge("last_fault_layer", "The layer in which it was; -1: in none.");
  Histogram& recovery_seconds =
      histogram("recovery_seconds", "From the notice of a fault until serving again.", latency_seconds);
  Counter& stale = counter("stale_messages_total", "Messages of an older epoch, dropped.");
  Histogram& step_tokens = histogram("iteration_tokens_total", "Tokens computed in a step.", powers_of_two);
  Histogram& step_sequences = histogram("iteration_sequences", "Sequences in a step.", powers_of_two);
  Histogram& step_seconds =
      histogram("iteration_seconds", "Time from a step's plan to its commit.", latency_seconds);
  Histogram& first_token =
      histogram("time_to_first_token_seconds", "From arrival to the first token.", latency_seconds);
  Histogram& inter_token =
      histogram("inter_token_latency_seconds", "Between tokens of a choice.", latency_seconds);
  Histogram& end_to_end =
      histogram("e2e_request_latency_seconds", "From arrival to the last token.", latency_seconds);
  Histogram& queue_time =
      histogram("request_queue_time_seconds", "From arrival until a choice got KV blocks.", latency_seconds);
  Histogram& prefill_time =
      histogram("request_prefill_time_seconds", "From then until its first token.", latency_seconds);
  Histogram& decode_time =
      histogram("request_decode_time_seconds", "From its first token to its last.", latency_seconds);
  Histogram& inference_time =
      histogram("request_inference_time_seconds", "From its blocks to its last token.", latency_seconds);
  Histogram& per_token =
      histogram("request_time_per_output_token_seconds",
                "Between a choice's tokens, on average over it; of those with several.", latency_seconds);
  Histogram& choice_prompt =
      histogram("request_prompt_tokens", "Prompt tokens of a choice that was served.", token_counts);
  Histogram& choice_output =
      histogram("request_generation_tokens", "Output tokens of a choice that was served.", token_counts);
  Histogram& max_tokens =
      histogram("request_params_max_tokens", "max_tokens of requests that have it.", token_counts);
  Histogram& n =
      histogram("request_params_n", "Choices that a request asks for, of a prompt.", choice_counts);
  prometheus::Family<Counter>& slo =
      prometheus::BuildCounter()
          .Name("troupe_request_slo_total")
          .Help(
              "Choices that were served, by what their request wanted (interactive: ttft_slo_ms or "
              "tpot_slo_ms; deadline: latency_slo_ms alone) and whether that was met.")
          .Register(registry);
  prometheus::Family<Counter>& success = prometheus::BuildCounter()
                                             .Name("troupe_request_success_total")
                                             .Help("Choices that ended, by finished_reason.")
                                             .Register(registry);
  prometheus::Family<Counter>& experts =
      prometheus::BuildCounter()
          .Name("troupe_expert_load")
          .Help("Tokens routed to an expert, all layers and attention groups.")
          .Register(registry);

  prometheus::Family<Counter>& loaded = prometheus::BuildCounter()
                                            .Name("troupe_loaded_bytes_total")
                                            .Help("Bytes of weights that a rank's processes have read.")
                                            .Register(registry);

  // Of a rank's GPU, see GpuReading.
  prometheus::Family<Gauge>& gpu_gauge(const std::string& name, const std::string& help) {
    return prometheus::BuildGauge().Name("troupe_gpu_" + name).Help(help).Register(registry);
  }
  prometheus::Family<Gauge>& gpu_up = gpu_gauge("up", "Whether a rank's GPU answers.");
  prometheus::Family<Gauge>& gpu_memory = gpu_gauge("memory_total_bytes", "Memory of a rank's GPU.");
  prometheus::Family<Gauge>& gpu_memory_used = gpu_gauge("memory_used_bytes", "Of it, used by whomever.");
  prometheus::Family<Gauge>& gpu_utilization =
      gpu_gauge("utilization", "Share of its time in which a kernel ran, 0 to 1.");
  prometheus::Family<Gauge>& gpu_temperature = gpu_gauge("temperature_celsius", "Of a rank's GPU.");
  prometheus::Family<Gauge>& gpu_power = gpu_gauge("power_watts", "That a rank's GPU takes.");
  prometheus::Family<Counter>& gpu_ecc =
      prometheus::BuildCounter()
          .Name("troupe_gpu_ecc_errors_total")
          .Help("Errors of its memory since the driver was loaded, by kind.")
          .Register(registry);
  prometheus::Family<Counter>& gpu_xids = prometheus::BuildCounter()
                                              .Name("troupe_gpu_xid_errors_total")
                                              .Help("Xid errors that the driver told of it, by number.")
                                              .Register(registry);

  std::mutex mutex;                   // guards what follows
  std::map<int, Growth> loaded_seen;  // by rank
  Growth preemptions_seen, replayed_seen, drafts_seen, draft_tokens_seen, accepted_seen, forced_seen,
      accepted_forced_seen, policy_failures_seen, shadow_steps_seen, shadow_different_steps_seen,
      shadow_different_sequences_seen;
  std::map<std::size_t, Growth> accepted_at_seen;              // by place
  std::map<GroupId, std::pair<Growth, Growth>> prefixes_seen;  // queries, hits
  std::map<GroupId, Gauge*> cache_configs;                     // that are shown
  std::vector<Counter*> expert_counters;                       // made with the first load
  std::map<int, std::vector<Growth>> experts_seen;             // by rank
  std::uint64_t steps_seen = 0;
  std::map<prometheus::Labels, Growth> gpu_errors_seen;
};

Metrics::Metrics(const std::string& model_name, bool also_vllm_names, std::string region)
    : families_(std::make_unique<Families>(model_name)),
      model_name_(model_name),
      also_vllm_names_(also_vllm_names),
      region_(std::move(region)) {}
Metrics::~Metrics() = default;

std::string Metrics::text(const KeptAnswers& kept) const {
  auto families = families_->registry.Collect();
  if (also_vllm_names_) std::ranges::move(vllm_named(families), std::back_inserter(families));
  std::ranges::move(kept_answer_figures(kept, model_name_), std::back_inserter(families));
  std::ranges::move(process_figures(), std::back_inserter(families));
  if (!region_.empty())
    for (prometheus::MetricFamily& family : families)
      for (prometheus::ClientMetric& each : family.metric) each.label.push_back({"region", region_});
  return prometheus::TextSerializer().Serialize(families);
}

void Metrics::scheduler(const runtime::SchedulerStats& stats) {
  auto& f = *families_;
  const std::lock_guard lock(f.mutex);
  f.running.Set(stats.running);
  f.waiting.Set(stats.waiting);
  f.waiting_for_capacity.Set(stats.waiting - stats.deferred);
  f.deferred.Set(stats.deferred);
  f.preemptions_seen.to(stats.preemptions, f.preemptions);
  f.replayed_seen.to(stats.replayed_tokens, f.replayed);
  f.policy_failures_seen.to(stats.policy_failures, f.policy_failures);
  f.shadow_steps_seen.to(stats.shadow.steps, f.shadow_steps);
  f.shadow_different_steps_seen.to(stats.shadow.different_steps, f.shadow_different_steps);
  f.shadow_different_sequences_seen.to(stats.shadow.different_sequences, f.shadow_different_sequences);
  f.drafts_seen.to(stats.drafts, f.drafts);
  f.draft_tokens_seen.to(stats.draft_tokens, f.draft_tokens);
  f.accepted_seen.to(stats.accepted_tokens, f.accepted_tokens);
  f.forced_seen.to(stats.forced_tokens, f.forced_tokens);
  f.accepted_forced_seen.to(stats.accepted_forced_tokens, f.accepted_forced_tokens);
  for (std::size_t place = 0; place < stats.accepted_at.size(); ++place) {
    auto labels = f.labels;
    labels["position"] = std::to_string(place);
    f.accepted_at_seen[place].to(stats.accepted_at[place], f.accepted_at.Add(labels));
  }
  if (stats.steps == f.steps_seen) return;
  f.steps_seen = stats.steps;
  f.step_tokens.Observe(stats.last_step_tokens);
  f.step_sequences.Observe(stats.last_step_sequences);
}

void Metrics::blocks(GroupId group, const runtime::PoolUsage& usage) {
  auto& f = *families_;
  const std::lock_guard lock(f.mutex);
  auto labels = f.labels;
  labels["engine"] = std::to_string(group);  // as vLLM calls a data-parallel group
  f.cache_usage.Add(labels).Set(usage.total == 0 ? 0 : double(usage.used) / usage.total);
  f.cache_generation.Add(labels).Set(double(usage.generation));
  auto& [queries, hits] = f.prefixes_seen[group];
  queries.to(usage.prefix_queries, f.prefix_queries);
  hits.to(usage.prefix_hits, f.prefix_hits);
}

void Metrics::cache_config(GroupId group, std::int32_t blocks, std::int32_t block_size, bool prefix_caching) {
  auto& f = *families_;
  const std::lock_guard lock(f.mutex);
  auto labels = f.with("engine", std::to_string(group));
  labels["num_gpu_blocks"] = std::to_string(blocks);  // vLLM's name, whatever holds them
  labels["block_size"] = std::to_string(block_size);
  labels["enable_prefix_caching"] = prefix_caching ? "True" : "False";  // as Python writes it
  Gauge*& shown = f.cache_configs[group];
  if (shown) f.cache_config.Remove(shown);
  shown = &f.cache_config.Add(labels);
  shown->Set(1);
}

void Metrics::step_committed(std::chrono::duration<double> took) {
  families_->step_seconds.Observe(took.count());
}

void Metrics::expert_load(int rank, std::span<const std::uint64_t> tokens) {
  auto& f = *families_;
  const std::lock_guard lock(f.mutex);
  while (f.expert_counters.size() < tokens.size()) {
    auto labels = f.labels;
    labels["expert"] = std::to_string(f.expert_counters.size());
    f.expert_counters.push_back(&f.experts.Add(labels));
  }
  auto& seen = f.experts_seen[rank];
  seen.resize(tokens.size());
  for (std::size_t i = 0; i < tokens.size(); ++i) seen[i].to(tokens[i], *f.expert_counters[i]);
}

void Metrics::request_tokenized(std::size_t prompt_tokens, std::int32_t n,
                                std::optional<std::int32_t> max_tokens) {
  families_->prompt_tokens.Increment(double(prompt_tokens));
  families_->n.Observe(n);
  if (max_tokens) families_->max_tokens.Observe(*max_tokens);
}

void Metrics::first_token(std::chrono::duration<double> since_arrival) {
  families_->first_token.Observe(since_arrival.count());
  families_->generation_tokens.Increment();
}

void Metrics::next_token(std::chrono::duration<double> since_previous) {
  families_->inter_token.Observe(since_previous.count());
  families_->generation_tokens.Increment();
}

void Metrics::choice_finished(runtime::ChoiceEnd how) {
  families_->success.Add(families_->with("finished_reason", std::string(to_string(how)))).Increment();
}

void Metrics::choice_served(const runtime::ChoiceTimes& times) {
  auto& f = *families_;
  const auto observe = [](Histogram& histogram, std::chrono::duration<double> seconds) {
    histogram.Observe(seconds.count());
  };
  observe(f.queue_time, times.queue);
  observe(f.prefill_time, times.prefill);
  observe(f.decode_time, times.decode);
  observe(f.inference_time, times.inference());
  if (times.output_tokens > 1) observe(f.per_token, times.per_token());
  f.choice_prompt.Observe(double(times.prompt_tokens));
  f.choice_output.Observe(double(times.output_tokens));
  f.slo_counter(times.slo, times.in_time()).Increment();
}

void Metrics::request_finished(std::chrono::duration<double> since) {
  families_->end_to_end.Observe(since.count());
}
void Metrics::request_quarantined() {
  families_->quarantined.Increment();
}
void Metrics::repetition_ended() {
  families_->repetitions.Increment();
}
void Metrics::filter_matched(const runtime::FilterMatch& match) {
  auto labels = families_->with("filter", match.filter);
  labels["action"] = to_string(match.action);
  families_->filter_matches.Add(labels).Increment();
}
void Metrics::epoch(Epoch now) {
  families_->epoch.Set(double(now));
}
void Metrics::worker_restarted() {
  families_->restarts.Increment();
}
void Metrics::loaded(int rank, std::uint64_t bytes) {
  auto& f = *families_;
  const std::lock_guard lock(f.mutex);
  auto labels = f.labels;
  labels["rank"] = std::to_string(rank);
  f.loaded_seen[rank].to(bytes, f.loaded.Add(labels));
}
void Metrics::fault(const std::string& kind, std::optional<int> rank, const Tick& last) {
  auto labels = families_->labels;
  labels["kind"] = kind;
  labels["rank"] = rank ? std::to_string(*rank) : "";
  labels["collective"] = to_string(last.collective);
  families_->faults.Add(labels).Increment();
  families_->fault_step.Set(double(last.step));
  families_->fault_layer.Set(double(last.layer));
}
void Metrics::device_error(DeviceFaultKind kind) {
  auto labels = families_->labels;
  labels["kind"] = to_string(kind);
  families_->device_errors.Add(labels).Increment();
}
void Metrics::recovered(std::chrono::duration<double> since_fault) {
  families_->recovery_seconds.Observe(since_fault.count());
}
void Metrics::gpu(const GpuReading& reading) {
  auto& f = *families_;
  const std::lock_guard lock(f.mutex);
  auto labels = f.labels;
  labels["rank"] = std::to_string(reading.rank);
  labels["gpu"] = reading.uuid;
  labels["name"] = reading.name;
  f.gpu_up.Add(labels).Set(reading.answers);
  // What is not known any more is not shown.
  const auto show = [&](prometheus::Family<Gauge>& family, double value) {
    Gauge& gauge = family.Add(labels);
    if (reading.answers && value != GpuReading::unknown)
      gauge.Set(value);
    else
      family.Remove(&gauge);
  };
  show(f.gpu_memory, double(reading.memory_total));
  show(f.gpu_memory_used, double(reading.memory_used));
  show(f.gpu_utilization, reading.utilization);
  show(f.gpu_temperature, reading.celsius);
  show(f.gpu_power, reading.watts);
  const auto count = [&](prometheus::Family<Counter>& family, const char* label, std::string what,
                         std::uint64_t total) {
    auto of_kind = labels;
    of_kind[label] = std::move(what);
    f.gpu_errors_seen[of_kind].to(total, family.Add(of_kind));
  };
  if (reading.answers) {
    count(f.gpu_ecc, "kind", "corrected", reading.ecc_corrected);
    count(f.gpu_ecc, "kind", "uncorrected", reading.ecc_uncorrected);
  }
  for (const auto& [xid, times] : reading.xids) count(f.gpu_xids, "xid", std::to_string(xid), times);
}
void Metrics::stale_message() {
  families_->stale.Increment();
}

}  // namespace troupe::actors
