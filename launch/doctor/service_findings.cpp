#include "launch/doctor/service_findings.hpp"

#include <algorithm>

#include "launch/doctor/amount.hpp"

namespace troupe::launch::doctor {
namespace {

// "troupe_faults_total 3"
std::string shown(const Service& service, const char* name) {
  return std::string(name) + " " + number(service.metrics.sum(name));
}

// A finding where a counter of failures is not zero, with its figure as the first evidence.
void add_if_counted(const Service& service, const char* name, Finding finding, Findings& all) {
  if (service.metrics.sum(name) <= 0) return;
  finding.evidence = shown(service, name) + (finding.evidence.empty() ? "" : "; " + finding.evidence);
  all.push_back(std::move(finding));
}

// Of choices that have ended.
double ended(const Service& service, const char* how) {
  return service.metrics.sum("troupe_request_success_total", {{"finished_reason", how}});
}

std::string ended_text(const Service& service, const char* how) {
  const double all = service.metrics.sum("troupe_request_success_total");
  return "troupe_request_success_total{finished_reason=\"" + std::string(how) +
         "\"}: " + number(ended(service, how)) + " of " + number(all) + ", " +
         percent(ended(service, how) / all);
}

}  // namespace

Findings of_health(const Service& service) {
  if (service.health_status == 200) return {};
  const std::string evidence = "/health: status " + std::to_string(service.health_status) +
                               (service.health.empty() ? "" : ", " + service.health);
  if (service.health == "starting")
    return {{Severity::note, "health", "The server is still starting.", evidence,
             "/startupz tells how far it is"}};
  if (service.health == "draining")
    return {{Severity::warning, "health", "The server is leaving, and takes no more requests.", evidence,
             "POST /v1/drain with {\"drain\": false} takes that back where it was ordered so"}};
  if (service.health == "stalled")
    return {{Severity::critical, "health", "Requests wait, and for --stall-timeout there was no step.",
             evidence,
             "troupe status tells which rank is behind; --hang-timeout is how soon one is started again",
             "stuck-generation"}};
  return {{Severity::critical, "health", "The server serves nothing.", evidence,
           "its log says why (worker_failed, replica_failed); start it again"}};
}

Findings of_faults(const Service& service) {
  Findings all;
  add_if_counted(
      service, "troupe_worker_restarts_total",
      {Severity::warning, "faults", "Workers have died or hung, and were started again.",
       shown(service, "troupe_faults_total"),
       "troupe status tells the last fault; the log has each (worker_exited, fault)", "stuck-generation"},
      all);
  add_if_counted(service, "troupe_requests_quarantined_total",
                 {Severity::warning, "faults", "Workers have died of requests, which were stopped.", "",
                  "the log has their ids (request_quarantined); --capture-folder lets one be seen"},
                 all);
  if (service.metrics.smallest("troupe_gpu_up") == 0.0)
    all.push_back({Severity::critical, "GPUs", "A GPU does not answer.", "troupe_gpu_up 0",
                   "nvidia-smi, then a reset of the GPU or the machine"});
  const double uncorrected = service.metrics.sum("troupe_gpu_ecc_errors_total", {{"kind", "uncorrected"}});
  if (uncorrected > 0 || service.metrics.sum("troupe_device_errors_total") > 0)
    all.push_back({Severity::critical, "GPUs", "GPUs have failed, or their memory has.",
                   "troupe_gpu_ecc_errors_total{kind=\"uncorrected\"} " + number(uncorrected) + "; " +
                       shown(service, "troupe_device_errors_total"),
                   "nvidia-smi -q -d ECC,PAGE_RETIREMENT; take the GPU out of use if it happens again"});
  add_if_counted(service, "troupe_gpu_xid_errors_total",
                 {Severity::warning, "GPUs", "The driver has told of errors of GPUs.", "",
                  "dmesg has them; NVIDIA's list of Xids says what each is"},
                 all);
  return all;
}

Findings of_cache(const Service& service) {
  const double used = service.metrics.largest("troupe_kv_cache_usage_perc").value_or(0);
  const double lost = service.metrics.sum("troupe_num_preemptions_total");
  const std::string evidence = "troupe_kv_cache_usage_perc " + number(used) + "; " +
                               shown(service, "troupe_num_preemptions_total") + "; " +
                               shown(service, "troupe_replayed_tokens_total");
  const std::string remedy =
      "more cache: --gpu-memory-utilization, --kv-cache-memory-bytes, --kv-cache-dtype bf16 or fp8; or less at a time: "
      "--max-num-seqs, --max-model-len";
  if (lost > 0 && (used >= full_cache || service.grown("troupe_num_preemptions_total") > 0))
    return {{Severity::warning, "KV cache", "Sequences lose their blocks to others, and are computed again.",
             evidence, remedy, "out-of-memory"}};
  if (used >= full_cache)
    return {{Severity::warning, "KV cache", "The cache is full.", evidence, remedy, "out-of-memory"}};
  if (lost > 0)
    return {{Severity::note, "KV cache",
             "Sequences have lost their blocks to others, and were computed again.", evidence, remedy,
             "out-of-memory"}};
  return {};
}

Findings of_steps(const Service& service) {
  Findings all;
  const double running = std::min(service.metrics.sum("troupe_num_requests_running"),
                                  service.earlier.sum("troupe_num_requests_running"));
  const bool waits = service.seconds > 0 && running > 0;
  if (waits && service.grown("troupe_iteration_seconds_count") == 0)
    all.push_back(
        {Severity::warning, "steps", "Sequences run, and no step was done.",
         number(running) + " of troupe_num_requests_running, and for " + time_text(service.seconds) +
             " no growth of troupe_iteration_seconds_count",
         "troupe status, twice: a rank whose STEP stays behind hangs; --hang-timeout, --stall-timeout and "
         "--health-probe-interval say what then becomes of it",
         "stuck-generation"});
  const auto usual = service.metrics.quantile("troupe_inter_token_latency_seconds", 0.5),
             late = service.metrics.quantile("troupe_inter_token_latency_seconds", 0.99),
             step = service.metrics.quantile("troupe_iteration_seconds", 0.99);
  if (usual && late && step && *late > long_tail * *usual && *step > long_step)
    all.push_back(
        {Severity::warning, "steps", "Streams stop again and again: few steps take much longer than most.",
         "troupe_inter_token_latency_seconds: half below " + time_text(*usual) + ", one in a hundred above " +
             time_text(*late) + "; troupe_iteration_seconds: one in a hundred above " + time_text(*step),
         "a lower --max-step-time (above 0) or --max-num-batched-tokens, so that long prompts are computed in "
         "smaller chunks; --scheduling-policy decode_first",
         "long-tail"});
  return all;
}

Findings of_queue(const Service& service) {
  const double waiting =
      service.metrics.sum("troupe_num_requests_waiting_by_reason", {{"reason", "capacity"}});
  if (waiting == 0) return {};
  const double running = service.metrics.sum("troupe_num_requests_running");
  const auto queued = service.metrics.quantile("troupe_request_queue_time_seconds", 0.95);
  const bool much = waiting > running;
  return {
      {much ? Severity::warning : Severity::note, "queue",
       much ? "More wait than run: there is more load than the server takes."
            : "Some requests wait for their turn.",
       number(waiting) + " of troupe_num_requests_waiting, " + number(running) +
           " of troupe_num_requests_running" +
           (queued ? "; troupe_request_queue_time_seconds: one in twenty above " + time_text(*queued) : ""),
       "--max-num-seqs, if the KV cache has room (troupe_kv_cache_usage_perc); else more replicas. --queue-timeout and "
       "--max-waiting tell clients sooner",
       "overload-spike"}};
}

Findings of_ends(const Service& service) {
  Findings all;
  const double count = service.metrics.sum("troupe_request_success_total");
  if (count < least_ended) return all;
  const auto add_if_many = [&](const char* how, double many, Finding finding) {
    if (ended(service, how) <= many * count) return;
    finding.evidence = ended_text(service, how);
    all.push_back(std::move(finding));
  };
  add_if_many("error", many_failed,
              {Severity::critical, "answers", "Answers end in errors.", "",
               "the log names each request and its error (http_request, request_ended)"});
  add_if_many(
      "abort", many_aborted,
      {Severity::warning, "answers", "Clients leave before their answers end.", "",
       "longer time limits of clients and proxies than answers take; --stream-silence comments, for those that "
       "give up on silence; --resume-window, for those that come back",
       "wrong-timeouts"});
  add_if_many(
      "length", many_cut_off,
      {Severity::warning, "answers", "Answers do not come to an end of their own.", "",
       "temperature 0.6 and top_p 0.95 for models that reason (greedy ones loop), thinking_token_budget, a "
       "larger max_tokens; --repetition-guard ends those that go round in circles; troupe smoke looks for loops",
       "reasoning-loops"});
  return all;
}

Findings of_layout(const Service& service) {
  Findings all;
  const auto layout = service.info.is_object() ? service.info.find("layout") : service.info.end();
  if (layout != service.info.end() && layout->is_object()) {
    const auto whole = [&](const char* name) {  // 0: it is none, or none that a server could have
      constexpr std::int64_t most = 1 << 20;
      const auto found = layout->find(name);
      const std::int64_t value =
          found != layout->end() && found->is_number_integer() ? found->get<std::int64_t>() : 0;
      return value > most ? 0 : std::max<std::int64_t>(0, value);
    };
    const std::int64_t ranks = whole("tensor_parallel_size") * whole("data_parallel_size"),
                       experts = whole("experts");
    if (experts > 0 && ranks > 1 &&
        layout->value("enable_expert_parallel", nlohmann::ordered_json(true)) == false)
      all.push_back(
          {Severity::warning, "layout", "Each rank computes a part of every expert.",
           "/server_info: " + std::to_string(experts) + " experts, " + std::to_string(ranks) +
               " ranks, enable_expert_parallel false",
           "-ep: each rank has whole experts, and fewer and larger products; the bytes of answers are the same",
           "low-throughput"});
  }
  double most = 0, sum = 0, experts = 0;
  for (const load::MetricSample& each : service.metrics.samples())
    if (each.name == "troupe_expert_load") most = std::max(most, each.value), sum += each.value, ++experts;
  if (constexpr double enough = 1000; sum > enough * experts && most * experts > uneven_experts * sum)
    all.push_back({Severity::note, "layout", "One expert has much more to do than the others.",
                   "troupe_expert_load: the largest is " + number(most * experts / sum) + " times the mean",
                   "with -ep, POST /v1/replica/placement puts it on several ranks", "low-throughput"});
  return all;
}

Findings of_carriers(const Service& service) {
  const auto member = [](const nlohmann::ordered_json& object, const char* name) {
    return object.is_object() ? object.value(name, nlohmann::ordered_json()) : nlohmann::ordered_json();
  };
  const auto devices = member(service.version, "devices"), nccl = member(devices, "nccl");
  const bool several = member(service.replica, "ranks").size() > 1;
  if (!several || !devices.is_object() || (nccl.is_string() && nccl != "")) return {};
  return {{Severity::warning, "NCCL",
           "Tensors between GPUs go by way of the host, and between hosts over TCP.",
           "/version: devices have no nccl",
           "install libnccl2; --gpu-communicator nccl refuses to start without it", "tcp-fallback"}};
}

Findings of_process(const Service& service) {
  Findings all;
  const double open = service.metrics.sum("process_open_fds"), most = service.metrics.sum("process_max_fds");
  if (most > 0 && open > many_open_files * most)
    all.push_back({Severity::warning, "open files", "The server is about to run out of descriptors.",
                   "process_open_fds " + number(open) + " of process_max_fds " + number(most),
                   "ulimit -n (LimitNOFILE of a unit), or a lower --max-connections", "overload-spike"});
  add_if_counted(
      service, "troupe_policy_failures_total",
      {Severity::warning, "policy", "The batch policy has failed, and sequences went in order of arrival.",
       "", "another --scheduling-policy, or another --policy-plugin"},
      all);
  return all;
}

Findings of_host(const Service& service) {
  Findings all;
  const double memory = service.metrics.sum("troupe_host_memory_bytes"),
               left = service.metrics.sum("troupe_host_memory_available_bytes");
  if (memory > 0 && left < least_host_memory * memory)
    all.push_back({Severity::critical, "memory", "Hardly any memory is left on the server's host.",
                   "troupe_host_memory_available_bytes " + number(left) + " of troupe_host_memory_bytes " +
                       number(memory),
                   "lower --gpu-memory-utilization or --kv-cache-memory-bytes, or end what else runs there",
                   "out-of-memory"});
  const double load = service.metrics.sum("troupe_host_load_average"),
               cpus = service.metrics.sum("troupe_host_cpus");
  if (cpus > 0 && load > busy_host * cpus)
    all.push_back({Severity::warning, "CPUs", "More wants to compute on the host than it has CPUs.",
                   "troupe_host_load_average " + number(load) + "; troupe_host_cpus " + number(cpus),
                   "end what else runs there, or lower --threads", "long-tail"});
  return all;
}

Findings of_service(const Service& service) {
  Findings all = of_health(service);
  if (!service.no_metrics.empty())
    all.push_back({Severity::warning, "metrics", "The server's metrics cannot be read.", service.no_metrics,
                   "--api-key, of class metrics; --metrics-port has another port for them"});
  for (const auto& look :
       {of_faults, of_cache, of_steps, of_queue, of_ends, of_layout, of_carriers, of_process})
    append(all, look(service));
  return all;
}

}  // namespace troupe::launch::doctor
