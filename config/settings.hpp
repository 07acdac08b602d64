// What an operator decides about a deployment. Names and meanings are vLLM's where
// it has the setting. Plain values: read once at start-up by the main thread, then
// passed by reference to whoever needs a part, and not changed any more.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/edge_settings.hpp"
#include "config/setting.hpp"
#include "runtime/base/scheduler_limits.hpp"

namespace troupe::config {

constexpr std::int32_t most_speculative_tokens = 8;

constexpr std::int64_t most_ranks = 1024;

struct Settings {
  // Model
  std::string model;                           // checkpoint folder; empty: the demo model
  std::vector<std::string> served_model_name;  // empty: the folder's name
  std::optional<std::int32_t> max_model_len;   // tokens; unset: the model's own limit
  std::string tokenizer;                       // vLLM's flag; must name the model
  std::string chat_template;                   // file or template; empty: the checkpoint's
  std::string default_chat_template_kwargs;    // JSON object; empty: none
  std::string generation_config = "auto";      // "auto", "none" ("vllm") or a folder
  std::string reasoning_parser = "auto";  // "none", or vLLM's name of one: all tell DeepSeek's forms apart
  std::string tool_call_parser = "auto";
  bool exclude_tools_when_tool_choice_none = false;
  std::string system_prompt = "keep";  // or fold, reject
  bool require_manifest = false;       // the checkpoint's files are compared with it before they are opened
  bool repetition_guard = false;
  std::int32_t repetition_guard_ngram = 64;   // tokens
  std::int32_t repetition_guard_repeats = 4;  // of an n-gram of that length

  // Scheduling and the KV cache
  runtime::SchedulerLimits scheduler;  // but for max_model_len, which is known with the model
  std::string scheduling_policy = "decode_first";
  std::vector<std::string> policy_option;              // "KEY=VALUE", of that policy's own
  std::vector<std::string> policy_plugin;              // shared objects, which bring policies
  std::string shadow_policy;                           // empty: none
  std::string record_schedule;                         // file; empty: nothing is recorded
  ByteSize record_schedule_bytes{64 << 20};            // of one file
  std::int32_t record_schedule_files = 8;              // the one that is written, and those before it
  std::string speculative_config;                      // JSON in vLLM's form; empty: none
  std::optional<std::int32_t> num_speculative_tokens;  // wins over that; alone it means method mtp
  bool speculative_auto = false;
  std::int32_t max_tokenizing = 1024;  // requests that wait to be tokenized; further ones are refused
  ByteSize grammar_cache{256 << 20};   // of grammars that were made ready
  std::chrono::milliseconds grammar_compile_timeout{10'000};  // then the request is refused
  std::int32_t tokenizing_threads = 2;  // so that a long prompt does not hold up the short ones behind it
  std::optional<double> gpu_memory_utilization;  // unset: see memory_utilization()
  std::optional<ByteSize> kv_cache_memory_bytes;
  std::string kv_cache_dtype = "auto";  // or f32, bf16, fp8
  bool degrade = false;                 // start with less where memory is too short for what is asked
  double cpu_offload_gb = 0;  // of each rank's weights, in units of 2^30 bytes; see cpu_offload_bytes()

  // Parallelism and recovery
  std::string device = "cpu";             // or cuda
  std::string gpu_communicator = "auto";  // or nccl, host
  std::int32_t tensor_parallel_size = 1;
  std::int32_t data_parallel_size = 1;
  bool enable_expert_parallel = false;
  std::int32_t virtual_shards = 16;
  std::optional<std::int32_t> expert_shards;  // unset: as many as virtual_shards
  std::optional<std::int32_t> threads;        // unset: as many as the process may run on
  bool keep_weights = true;                   // of a worker, for the process that takes its place
  std::int32_t max_restarts = 5;              // of a worker, with no step between them
  std::chrono::milliseconds hang_timeout{400};

  // Nodes and their links
  std::int32_t nodes = 1;  // mpirun sets its own number
  std::string control_host = "127.0.0.1";
  std::uint16_t control_port = 0;                // 0: any free one
  std::string tensor_interface;                  // empty: loopback
  bool require_rdma = false;                     // tensors go over InfiniBand or not at all
  std::string tls_ca, tls_certificate, tls_key;  // PEM files; empty: made for the launch

  EdgeSettings edge;

  // Health
  std::chrono::milliseconds stall_timeout{60'000};     // without a step, while some wait; 0: none
  std::chrono::milliseconds health_probe_interval{0};  // 0: no probes

  // Logging
  std::string log_level = "info";

  std::string config_file;
  bool show_config = false;

  std::int32_t nodes_here = 1;  // no setting: how many nodes of the replica share this host, as mpirun knows

  std::int32_t ranks() const { return tensor_parallel_size * data_parallel_size; }
  int compute_threads() const;
  // Part of the device's memory: less of a host, which others need too, than of a GPU, which a rank has for itself.
  double memory_utilization() const { return gpu_memory_utilization.value_or(device == "cpu" ? 0.5 : 0.9); }
  // Of the weights of a rank on a GPU; a CPU has them in the host's memory anyway.
  std::size_t cpu_offload_bytes() const {
    return device == "cpu" ? 0 : std::size_t(cpu_offload_gb * double(1 << 30));
  }

  friend bool operator==(const Settings&, const Settings&) = default;
};

// The table over `settings`, which it writes to and which must outlive it. policies: those that the manual names;
// commands that have no use for them leave them out.
Table schema(Settings& settings, const std::vector<std::string>& policies = {});
Table schema(EdgeSettings& settings);
Table queue_schema(Settings& settings);  // what may wait, and for how long; parts of the first
// What a node of another host needs too: its links, threads, memory and log.
Table node_schema(Settings& settings);

// Rows of a table, in the order of names; CHECKs that each is there.
Table select(Table table, const std::vector<std::string_view>& names);

// Throws UsageError for values that are each permitted but
// do not go together, or that this version cannot serve.
void validate(const Settings& settings);
void validate(const EdgeSettings& settings);  // a part of it
// Of the links alone.
void validate_links(const Settings& settings);
bool is_loopback(const std::string& host);

}  // namespace troupe::config
