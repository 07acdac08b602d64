#include "launch/doctor/service_findings.hpp"

#include <gmock/gmock.h>

namespace troupe::launch::doctor {
namespace {

using nlohmann::ordered_json;
using testing::AllOf;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

Service saying(const std::string& now, const std::string& before = "") {
  Service service;
  service.health_status = 200;
  service.health = "ok";
  service.metrics = load::ScrapedMetrics(now);
  service.earlier = load::ScrapedMetrics(before);
  service.seconds = 2;
  return service;
}

auto is(Severity severity, const std::string& evidence, const std::string& remedy, const std::string& entry) {
  return AllOf(Field(&Finding::severity, severity), Field(&Finding::evidence, HasSubstr(evidence)),
               Field(&Finding::remedy, HasSubstr(remedy)), Field(&Finding::entry, entry));
}

std::string ends(int stop, int length, int abort, int error) {
  std::string text;
  for (const auto& [how, count] :
       {std::pair("stop", stop), {"length", length}, {"abort", abort}, {"error", error}})
    text += "troupe_request_success_total{finished_reason=\"" + std::string(how) + "\"} " +
            std::to_string(count) + "\n";
  return text;
}

// A histogram with so many below 10 ms and so many between 1 s and 10 s.
std::string times(const std::string& name, int quick, int slow) {
  const std::string all = std::to_string(quick + slow), some = std::to_string(quick);
  return name + "_bucket{le=\"0.01\"} " + some + "\n" + name + "_bucket{le=\"1\"} " + some + "\n" + name +
         "_bucket{le=\"10\"} " + all + "\n" + name + "_bucket{le=\"+Inf\"} " + all + "\n" + name + "_count " +
         all + "\n";
}

TEST(ServiceFindings, AnIdleServerHasNone) {
  EXPECT_THAT(of_service(saying("troupe_epoch 2\ntroupe_kv_cache_usage_perc 0\n" + ends(0, 0, 0, 0))),
              IsEmpty());
}

TEST(ServiceFindings, ABusyAndHealthyOneHasNone) {
  EXPECT_THAT(
      of_service(saying("troupe_num_requests_running 8\ntroupe_kv_cache_usage_perc 0.7\n" +
                            ends(95, 4, 1, 0) + times("troupe_iteration_seconds", 1000, 1) +
                            times("troupe_inter_token_latency_seconds", 5000, 1),
                        "troupe_num_requests_running 8\n" + times("troupe_iteration_seconds", 900, 1))),
      IsEmpty());
}

TEST(ServiceFindings, Health) {
  Service service = saying("");
  service.health_status = 503;
  for (const auto& [word, severity, entry] : {std::tuple("starting", Severity::note, ""),
                                              {"draining", Severity::warning, ""},
                                              {"stalled", Severity::critical, "stuck-generation"},
                                              {"failed", Severity::critical, ""},
                                              {"", Severity::critical, ""}}) {
    service.health = word;
    EXPECT_THAT(of_health(service), ElementsAre(is(severity, "status 503", "", entry))) << word;
  }
}

TEST(ServiceFindings, MetricsThatCannotBeReadAreTold) {
  Service service = saying("");
  service.no_metrics = "/metrics: status 401";
  EXPECT_THAT(of_service(service), ElementsAre(is(Severity::warning, "status 401", "--api-key", "")));
}

TEST(ServiceFindings, Faults) {
  EXPECT_THAT(of_faults(saying("troupe_worker_restarts_total 2\ntroupe_faults_total{kind=\"death\"} 2\n")),
              ElementsAre(is(Severity::warning, "troupe_worker_restarts_total 2", "troupe status",
                             "stuck-generation")));
  EXPECT_THAT(of_faults(saying("troupe_requests_quarantined_total 1\n")),
              ElementsAre(is(Severity::warning, "quarantined_total 1", "--capture-folder", "")));
  EXPECT_THAT(of_faults(saying("troupe_gpu_up{rank=\"0\"} 1\ntroupe_gpu_up{rank=\"1\"} 0\n")),
              ElementsAre(is(Severity::critical, "troupe_gpu_up 0", "nvidia-smi", "")));
  EXPECT_THAT(of_faults(saying("troupe_gpu_ecc_errors_total{kind=\"corrected\"} 9\n")), IsEmpty());
  EXPECT_THAT(of_faults(saying("troupe_gpu_ecc_errors_total{kind=\"uncorrected\"} 1\n")),
              ElementsAre(is(Severity::critical, "uncorrected", "nvidia-smi", "")));
  EXPECT_THAT(of_faults(saying("troupe_gpu_xid_errors_total{xid=\"79\"} 1\n")),
              ElementsAre(is(Severity::warning, "xid_errors_total 1", "dmesg", "")));
}

TEST(ServiceFindings, CacheIsFullOrWas) {
  const std::string lost = "troupe_num_preemptions_total 3\n",
                    full = "troupe_kv_cache_usage_perc{engine=\"1\"} 0.97\n";
  const std::string flags = "--kv-cache-dtype";
  EXPECT_THAT(of_cache(saying(full)), ElementsAre(is(Severity::warning, "0.97", flags, "out-of-memory")));
  EXPECT_THAT(of_cache(saying(full + lost, lost)),
              ElementsAre(is(Severity::warning, "total 3", flags, "out-of-memory")));
  EXPECT_THAT(of_cache(saying(lost)), ElementsAre(is(Severity::warning, "total 3", flags, "out-of-memory")))
      << "just now";
  EXPECT_THAT(of_cache(saying(lost, lost)),
              ElementsAre(is(Severity::note, "total 3", flags, "out-of-memory")));
}

TEST(ServiceFindings, AStepThatDoesNotEnd) {
  const std::string text = "troupe_num_requests_running 2\n" + times("troupe_iteration_seconds", 50, 0);
  EXPECT_THAT(of_steps(saying(text, text)),
              ElementsAre(is(Severity::warning, "2 of troupe_num_requests_running", "--hang-timeout",
                             "stuck-generation")));
  EXPECT_THAT(of_steps(saying(text, "troupe_num_requests_running 0\n")), IsEmpty())
      << "they have only just come";
  Service once = saying(text, text);
  once.seconds = 0;
  EXPECT_THAT(of_steps(once), IsEmpty()) << "one look says nothing of it";
}

TEST(ServiceFindings, StepsThatTakeMuchLongerThanMost) {
  EXPECT_THAT(of_steps(saying(times("troupe_iteration_seconds", 100, 5) +
                              times("troupe_inter_token_latency_seconds", 100, 5))),
              ElementsAre(is(Severity::warning, "troupe_iteration_seconds: one in a hundred above",
                             "--max-step-time", "long-tail")));
  EXPECT_THAT(of_steps(saying(times("troupe_iteration_seconds", 100, 5))), IsEmpty()) << "no stream waited";
}

TEST(ServiceFindings, MoreThanTheServerTakes) {
  const std::string waiting =
      "troupe_num_requests_waiting_by_reason{reason=\"capacity\"} 9\ntroupe_num_requests_waiting 9\n";
  EXPECT_THAT(of_queue(saying(waiting + "troupe_num_requests_running 4\n")),
              ElementsAre(is(Severity::warning, "9 of troupe_num_requests_waiting", "--max-num-seqs",
                             "overload-spike")));
  EXPECT_THAT(of_queue(saying(waiting + "troupe_num_requests_running 256\n")),
              ElementsAre(is(Severity::note, "", "--max-num-seqs", "overload-spike")));
  EXPECT_THAT(of_queue(saying("troupe_num_requests_waiting_by_reason{reason=\"deferred\"} 9\n")), IsEmpty());
}

TEST(ServiceFindings, HowAnswersEnd) {
  EXPECT_THAT(of_ends(saying(ends(8, 0, 8, 0))), IsEmpty()) << "too few to say";
  EXPECT_THAT(
      of_ends(saying(ends(80, 0, 20, 0))),
      ElementsAre(is(Severity::warning, "\"abort\"}: 20 of 100, 20%", "--resume-window", "wrong-timeouts")));
  EXPECT_THAT(of_ends(saying(ends(60, 40, 0, 0))),
              ElementsAre(is(Severity::warning, "\"length\"}: 40 of 100", "thinking_token_budget",
                             "reasoning-loops")));
  EXPECT_THAT(of_ends(saying(ends(97, 0, 0, 3))),
              ElementsAre(is(Severity::critical, "\"error\"}: 3 of 100", "log", "")));
}

TEST(ServiceFindings, ExpertsInParts) {
  Service service = saying("");
  const auto with = [&](int tensor, int experts, bool whole) {
    service.info = {{"layout",
                     {{"tensor_parallel_size", tensor},
                      {"data_parallel_size", 1},
                      {"enable_expert_parallel", whole},
                      {"experts", experts}}}};
    return of_layout(service);
  };
  EXPECT_THAT(with(2, 8, false),
              ElementsAre(is(Severity::warning, "8 experts, 2 ranks", "-ep", "low-throughput")));
  EXPECT_THAT(with(2, 8, true), IsEmpty());
  EXPECT_THAT(with(1, 8, false), IsEmpty());
  EXPECT_THAT(with(2, 0, false), IsEmpty());
  for (const char* nonsense :
       {R"({"layout": 7})", R"({"layout": {"experts": "x", "enable_expert_parallel": []}})",
        R"({"layout": {"tensor_parallel_size": 9000000000000000000, "data_parallel_size": 9000000000000000000,
            "experts": 8, "enable_expert_parallel": false}})"}) {
    service.info = ordered_json::parse(nonsense);
    EXPECT_THAT(of_layout(service), IsEmpty());
  }
}

TEST(ServiceFindings, AnExpertThatIsBusierThanTheOthers) {
  std::string loads = "troupe_expert_load{expert=\"0\"} 90000\n";
  for (int i = 1; i < 10; ++i) loads += "troupe_expert_load{expert=\"" + std::to_string(i) + "\"} 1000\n";
  EXPECT_THAT(of_layout(saying(loads)),
              ElementsAre(is(Severity::note, "9.09", "/v1/replica/placement", "low-throughput")));
  EXPECT_THAT(of_layout(saying("troupe_expert_load{expert=\"0\"} 9\ntroupe_expert_load{expert=\"1\"} 0\n")),
              IsEmpty());
}

TEST(ServiceFindings, GpusWithoutNccl) {
  Service service = saying("");
  service.version =
      ordered_json::parse(R"({"version": "1", "devices": {"gpus": "2 x NVIDIA H200", "nccl": ""}})");
  service.replica = ordered_json::parse(R"({"ranks": [{}, {}]})");
  EXPECT_THAT(of_carriers(service),
              ElementsAre(is(Severity::warning, "no nccl", "--gpu-communicator", "tcp-fallback")));
  service.version["devices"]["nccl"] = "2.28.9";
  EXPECT_THAT(of_carriers(service), IsEmpty());
  service.version = ordered_json::parse(R"({"devices": {"missing": "libcuda.so.1"}})");
  EXPECT_THAT(of_carriers(service), ElementsAre(is(Severity::warning, "no nccl", "", "tcp-fallback")));
  for (const char* nonsense : {"{}", "[]", R"({"devices": 7})"}) {
    service.version = ordered_json::parse(nonsense);
    EXPECT_THAT(of_carriers(service), IsEmpty());
  }
}

TEST(ServiceFindings, ProcessAndHost) {
  EXPECT_THAT(of_process(saying("process_open_fds 900\nprocess_max_fds 1000\n")),
              ElementsAre(is(Severity::warning, "900 of process_max_fds 1000", "--max-connections",
                             "overload-spike")));
  EXPECT_THAT(of_process(saying("troupe_policy_failures_total 1\n")),
              ElementsAre(is(Severity::warning, "failures_total 1", "--scheduling-policy", "")));
  EXPECT_THAT(of_host(saying("troupe_host_memory_bytes 1000\ntroupe_host_memory_available_bytes 40\n")),
              ElementsAre(is(Severity::critical, "40 of", "--kv-cache-memory-bytes", "out-of-memory")));
  EXPECT_THAT(of_host(saying("troupe_host_cpus 2\ntroupe_host_load_average 8\n")),
              ElementsAre(is(Severity::warning, "load_average 8", "--threads", "long-tail")));
}

}  // namespace
}  // namespace troupe::launch::doctor
