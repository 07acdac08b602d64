// What /metrics says: the whole set of names, and the labels that each has.
#include "actors/metrics.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>

#include "actors/process_figures.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::actors {
namespace {

using runtime::ChoiceEnd;
using runtime::ChoiceTimes;
using ::testing::HasSubstr;
using ::testing::Not;

// "labels, but for model_name, as they are shown" by the name of a line.
std::map<std::string, std::set<std::string>> lines_of(const std::string& text) {
  static const std::regex line(R"(([a-zA-Z_:][\w:]*)(?:\{(.*)\})? \S+)"), label(R"((\w+)="[^"]*")");
  std::map<std::string, std::set<std::string>> lines;
  std::istringstream in(text);
  for (std::string each; std::getline(in, each);) {
    if (each.starts_with('#')) continue;
    std::smatch found;
    if (!std::regex_match(each, found, line)) {
      ADD_FAILURE() << each;
      continue;
    }
    const std::string labels = found[2];
    std::string names;
    for (std::sregex_iterator at(labels.begin(), labels.end(), label), end; at != end; ++at)
      if ((*at)[1] != "model_name") names += (names.empty() ? "" : " ") + (*at)[1].str();
    lines[found[1]].insert(names);
  }
  return lines;
}

// Says all that can be said to it.
void say_everything(Metrics& metrics) {
  runtime::SchedulerStats stats;
  stats.waiting = 5;
  stats.deferred = 2;
  stats.steps = 1;
  stats.accepted_at = {1};
  metrics.scheduler(stats);
  metrics.blocks(1, {.total = 64, .used = 16});
  metrics.cache_config(1, 64, 16, true);
  metrics.step_committed(std::chrono::milliseconds(1));
  metrics.expert_load(0, std::vector<std::uint64_t>{1, 2});
  metrics.request_tokenized(5, 2, 100);
  metrics.first_token(std::chrono::milliseconds(1));
  metrics.next_token(std::chrono::milliseconds(1));
  metrics.choice_finished(ChoiceEnd::stop);
  metrics.choice_served({});
  metrics.request_finished(std::chrono::milliseconds(1));
  metrics.request_quarantined();
  metrics.repetition_ended();
  metrics.filter_matched({"secrets", runtime::FilterAction::mask});
  metrics.epoch(2);
  metrics.loaded(0, 7);
  metrics.worker_restarted();
  metrics.fault("exited", 0, {});
  metrics.device_error(DeviceFaultKind::ecc);
  metrics.recovered(std::chrono::milliseconds(1));
  metrics.gpu({.rank = 0,
               .uuid = "GPU-1",
               .name = "H200",
               .answers = true,
               .memory_total = 2,
               .memory_used = 1,
               .utilization = 1,
               .celsius = 1,
               .watts = 1,
               .xids = {{79, 1}}});
  metrics.stale_message();
}

std::map<std::string, std::set<std::string>> expected_lines() {
  std::map<std::string, std::set<std::string>> lines;
  for (const char* plain : {"num_requests_running",
                            "num_requests_waiting",
                            "epoch",
                            "prefix_cache_queries_total",
                            "prefix_cache_hits_total",
                            "spec_decode_num_drafts_total",
                            "spec_decode_num_draft_tokens_total",
                            "spec_decode_num_accepted_tokens_total",
                            "jump_ahead_num_draft_tokens_total",
                            "jump_ahead_num_accepted_tokens_total",
                            "num_preemptions_total",
                            "replayed_tokens_total",
                            "policy_failures_total",
                            "shadow_policy_steps_total",
                            "shadow_policy_different_steps_total",
                            "shadow_policy_different_sequences_total",
                            "prompt_tokens_total",
                            "generation_tokens_total",
                            "requests_quarantined_total",
                            "repetition_guard_ends_total",
                            "worker_restarts_total",
                            "last_fault_step",
                            "last_fault_layer",
                            "stale_messages_total",
                            "kept_answers",
                            "kept_answer_bytes",
                            "max_kept_answer_bytes",
                            "answer_joins_total",
                            "stream_reconnects_total",
                            "journal_answers_resumed_total",
                            "kept_answers_dropped_total",
                            "host_cpus",
                            "host_load_average",
                            "host_memory_bytes",
                            "host_memory_available_bytes"})
    lines[std::string("troupe_") + plain] = {""};
  for (const char* histogram :
       {"recovery_seconds", "iteration_tokens_total", "iteration_sequences", "iteration_seconds",
        "time_to_first_token_seconds", "inter_token_latency_seconds", "e2e_request_latency_seconds",
        "request_queue_time_seconds", "request_prefill_time_seconds", "request_decode_time_seconds",
        "request_inference_time_seconds", "request_time_per_output_token_seconds", "request_prompt_tokens",
        "request_generation_tokens", "request_params_max_tokens", "request_params_n"}) {
    const std::string name = std::string("troupe_") + histogram;
    lines[name + "_count"] = lines[name + "_sum"] = {""};
    lines[name + "_bucket"] = {"le"};
  }
  for (const auto& [name, labels] :
       {std::pair{"num_requests_waiting_by_reason", "reason"},
        {"kv_cache_usage_perc", "engine"},
        {"kv_cache_generation", "engine"},
        {"cache_config_info", "block_size enable_prefix_caching engine num_gpu_blocks"},
        {"spec_decode_num_accepted_tokens_per_pos_total", "position"},
        {"faults_total", "collective kind rank"},
        {"device_errors_total", "kind"},
        {"request_slo_total", "met slo_class"},
        {"request_success_total", "finished_reason"},
        {"output_filter_matches_total", "action filter"},
        {"expert_load", "expert"},
        {"loaded_bytes_total", "rank"},
        {"gpu_up", "gpu name rank"},
        {"gpu_memory_total_bytes", "gpu name rank"},
        {"gpu_memory_used_bytes", "gpu name rank"},
        {"gpu_utilization", "gpu name rank"},
        {"gpu_temperature_celsius", "gpu name rank"},
        {"gpu_power_watts", "gpu name rank"},
        {"gpu_ecc_errors_total", "gpu kind name rank"},
        {"gpu_xid_errors_total", "gpu name rank xid"}})
    lines[std::string("troupe_") + name] = {labels};
  for (const char* process : {"cpu_seconds_total", "resident_memory_bytes", "virtual_memory_bytes", "threads",
                              "start_time_seconds", "open_fds", "max_fds"})
    lines[std::string("process_") + process] = {""};
  return lines;
}

TEST(Metrics, TheseAreTheNamesAndTheirLabels) {
  Metrics metrics("demo");
  say_everything(metrics);
  const auto lines = lines_of(metrics.text()), expected = expected_lines();
  for (const auto& [name, labels] : expected) {
    ASSERT_TRUE(lines.contains(name)) << name;
    EXPECT_EQ(lines.at(name), labels) << name;
  }
  for (const auto& [name, labels] : lines) EXPECT_TRUE(expected.contains(name)) << name;
}

TEST(Metrics, WhatFiltersDoIsCounted) {
  using runtime::FilterAction;
  Metrics metrics("demo");
  for (const FilterAction action :
       {FilterAction::mask, FilterAction::stop, FilterAction::mask, FilterAction::limit})
    metrics.filter_matched({"secrets", action});
  metrics.choice_finished(ChoiceEnd::content_filter);
  const std::string text = metrics.text();
  for (const auto& [action, times] : {std::pair{"mask", "2"}, {"stop", "1"}, {"limit", "1"}})
    EXPECT_THAT(text, HasSubstr(std::string("troupe_output_filter_matches_total{action=\"") + action +
                                "\",filter=\"secrets\",model_name=\"demo\"} " + times + "\n"));
  EXPECT_THAT(text, HasSubstr("finished_reason=\"content_filter\",model_name=\"demo\"} 1\n"));
}

TEST(Metrics, ARegionIsALabelOfAll) {
  Metrics metrics("demo", true, "eu-west-1"), nowhere("demo");
  say_everything(metrics);
  std::istringstream lines(metrics.text({.answers = 1}));
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with('#')) continue;
    EXPECT_THAT(line, HasSubstr("region=\"eu-west-1\""));
  }
  EXPECT_THAT(nowhere.text(), Not(HasSubstr("region")));
}

TEST(Metrics, WaitingSequencesAreToldApart) {
  Metrics metrics("demo");
  say_everything(metrics);
  EXPECT_THAT(
      metrics.text(),
      HasSubstr("troupe_num_requests_waiting_by_reason{model_name=\"demo\",reason=\"capacity\"} 3\n"));
  EXPECT_THAT(
      metrics.text(),
      HasSubstr("troupe_num_requests_waiting_by_reason{model_name=\"demo\",reason=\"deferred\"} 2\n"));
}

TEST(Metrics, WhatAnEdgeKeepsIsToldAsItIsNow) {
  const Metrics metrics("demo");
  const std::string text = metrics.text(
      {.answers = 1, .bytes = 2, .most_bytes = 3, .joins = 4, .reconnects = 5, .resumed = 6, .dropped = 7});
  for (const auto& [name, value] : {std::pair{"kept_answers", "1"},
                                    {"kept_answer_bytes", "2"},
                                    {"max_kept_answer_bytes", "3"},
                                    {"answer_joins_total", "4"},
                                    {"stream_reconnects_total", "5"},
                                    {"journal_answers_resumed_total", "6"},
                                    {"kept_answers_dropped_total", "7"}})
    EXPECT_THAT(text, HasSubstr(std::string("\ntroupe_") + name + "{model_name=\"demo\"} " + value + "\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE troupe_kept_answers gauge\n"));
  EXPECT_THAT(text, HasSubstr("# TYPE troupe_answer_joins_total counter\n"));
}

// A cache that was made anew takes the place of the one before.
TEST(Metrics, TheConfigurationOfACacheIsShownOnce) {
  Metrics metrics("demo");
  metrics.cache_config(0, 64, 16, true);
  metrics.cache_config(0, 32, 16, true);
  const std::string text = metrics.text();
  EXPECT_THAT(text, Not(HasSubstr("num_gpu_blocks=\"64\"")));
  EXPECT_THAT(
      text,
      HasSubstr("troupe_cache_config_info{block_size=\"16\",enable_prefix_caching=\"True\",engine=\"0\","
                "model_name=\"demo\",num_gpu_blocks=\"32\"} 1\n"));
}

// Lines of a choice that was served so.
std::string served(const ChoiceTimes& times) {
  Metrics metrics("demo");
  metrics.choice_served(times);
  return metrics.text();
}

TEST(Metrics, GoodputIsCountedByWhatARequestWanted) {
  using std::chrono::seconds;
  ChoiceTimes times{.queue = seconds(1), .prefill = seconds(2), .decode = seconds(4), .output_tokens = 5};
  struct Case {
    ServiceLevels slo;
    std::string slo_class, met;
  };
  for (const auto& [slo, slo_class, met] :
       {Case{{}, "none", "true"}, Case{{.ttft_slo_ms = 3000}, "interactive", "true"},
        Case{{.ttft_slo_ms = 2999}, "interactive", "false"},
        Case{{.tpot_slo_ms = 1000}, "interactive", "true"},
        Case{{.tpot_slo_ms = 999}, "interactive", "false"}, Case{{0, 1000, 6999}, "interactive", "false"},
        Case{{.latency_slo_ms = 7000}, "deadline", "true"},
        Case{{.latency_slo_ms = 6999}, "deadline", "false"}}) {
    times.slo = slo;
    EXPECT_THAT(served(times), HasSubstr("troupe_request_slo_total{met=\"" + met +
                                         "\",model_name=\"demo\",slo_class=\"" + slo_class + "\"} 1\n"));
  }
}

TEST(Metrics, TimesOfAChoiceAreTold) {
  using std::chrono::seconds;
  const std::string text = served({.queue = seconds(1),
                                   .prefill = seconds(2),
                                   .decode = seconds(4),
                                   .prompt_tokens = 7,
                                   .output_tokens = 5});
  for (const auto& [name, value] : {std::pair{"queue_time_seconds", "1"},
                                    {"prefill_time_seconds", "2"},
                                    {"decode_time_seconds", "4"},
                                    {"inference_time_seconds", "6"},
                                    {"time_per_output_token_seconds", "1"},
                                    {"prompt_tokens", "7"},
                                    {"generation_tokens", "5"}})
    EXPECT_THAT(
        text, HasSubstr(std::string("troupe_request_") + name + "_sum{model_name=\"demo\"} " + value + "\n"));
}

TEST(Metrics, AnAnswerOfOneTokenHasNothingBetween) {
  EXPECT_THAT(served({.output_tokens = 1}),
              HasSubstr("troupe_request_time_per_output_token_seconds_count{model_name=\"demo\"} 0\n"));
}

TEST(Metrics, VllmsNamesComeBesideOurOwn) {
  Metrics own("demo"), both("demo", true);
  say_everything(own);
  say_everything(both);
  EXPECT_THAT(own.text(), Not(HasSubstr("vllm:")));
  const auto lines = lines_of(both.text());
  for (const auto& [name, labels] : lines_of(own.text())) EXPECT_TRUE(lines.contains(name)) << name;
  std::size_t named = 0;
  for (const auto& [name, labels] : lines)
    for (const std::string& each : labels)
      if (name.starts_with("vllm:")) {
        ++named;
        EXPECT_TRUE(lines.contains("troupe_" + name.substr(5))) << name;
        EXPECT_THAT(each, HasSubstr("engine")) << name;
      }
  EXPECT_GE(named, 28u) << "a histogram has three lines";
  EXPECT_THAT(both.text(), HasSubstr("vllm:num_requests_waiting{model_name=\"demo\",engine=\"0\"} 5\n"));
  EXPECT_THAT(both.text(), HasSubstr("# TYPE vllm:request_queue_time_seconds histogram\n"));
  EXPECT_THAT(both.text(), HasSubstr("vllm:kv_cache_usage_perc{engine=\"1\",model_name=\"demo\"} 0.25\n"));
}

double value_of(const std::vector<prometheus::MetricFamily>& families, const std::string& name) {
  for (const auto& each : families)
    if (each.name == name)
      return each.type == prometheus::MetricType::Counter ? each.metric.at(0).counter.value
                                                          : each.metric.at(0).gauge.value;
  return -1;
}

TEST(ProcessFigures, AreThisProcesses) {
  const auto figures = process_figures();
  EXPECT_GT(value_of(figures, "process_resident_memory_bytes"), 1 << 20);
  EXPECT_GE(value_of(figures, "process_open_fds"), 3);
  EXPECT_GE(value_of(figures, "process_threads"), 1);
  EXPECT_GT(value_of(figures, "process_start_time_seconds"), 1.6e9);
  EXPECT_GE(value_of(figures, "process_cpu_seconds_total"), 0);
  EXPECT_GT(value_of(figures, "troupe_host_memory_bytes"),
            value_of(figures, "process_resident_memory_bytes"));
}

TEST(ProcessFigures, AreReadFromWhatTheSystemWrites) {
  const TemporaryFolder folder;
  std::filesystem::create_directories(folder.path() / "proc/self");
  std::ofstream(folder.path() / "proc/self/stat")
      << "7 (a ) b) S 1 1 1 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 9 0 1000 4096000 100 18446744073709551615\n";
  std::ofstream(folder.path() / "proc/stat") << "cpu 1 2 3\nctxt 5\nbtime 1700000000\nprocesses 3\n";
  const auto figures = process_figures(folder.path());
  const double ticks = double(sysconf(_SC_CLK_TCK)), page = double(sysconf(_SC_PAGESIZE));
  EXPECT_EQ(value_of(figures, "process_cpu_seconds_total"), 300 / ticks);
  EXPECT_EQ(value_of(figures, "process_threads"), 9);
  EXPECT_EQ(value_of(figures, "process_virtual_memory_bytes"), 4096000);
  EXPECT_EQ(value_of(figures, "process_resident_memory_bytes"), 100 * page);
  EXPECT_EQ(value_of(figures, "process_start_time_seconds"), 1700000000 + 1000 / ticks);
  EXPECT_EQ(value_of(figures, "troupe_host_memory_bytes"), -1) << "what is not told is left out";
}

}  // namespace
}  // namespace troupe::actors
