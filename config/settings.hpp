// What an operator decides about a deployment. Names and meanings are vLLM's where it has the setting. Plain
// values: read once at start-up, then copied to whoever needs a part.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "config/setting.hpp"

namespace troupe::config {

// Of the HTTP edge. Past a limit of a connection or a request the client gets the HTTP status that the manual
// names.
struct EdgeSettings {
  std::string host = "127.0.0.1";
  std::int64_t port = 8000;  // 0: any free one
  std::vector<std::string> api_key;
  std::int64_t io_threads = 2;
  bool enable_replica_control = false;

  std::int64_t max_connections = 1024;
  ByteSize max_header_bytes{64 << 10};
  std::int64_t max_headers = 100;
  ByteSize max_body_bytes{16 << 20};
  ByteSize max_read_ahead_bytes{64 << 10};
  std::int64_t max_buffered_deltas = 64;
  Seconds header_timeout{10}, body_timeout{60}, idle_timeout{75}, write_timeout{60}, linger_timeout{2},
      stop_timeout{5};

  std::int64_t max_json_depth = 64, max_json_values = 2'000'000, max_json_keys = 512;
  std::int64_t max_messages = 4096, max_content_parts = 1024, max_tool_calls = 128, max_tools = 128;
  std::int64_t max_n = 128, max_choices = 1024;
  std::int64_t max_stop_strings = 16, max_stop_string_bytes = 1024, max_stop_token_ids = 128;
  std::int64_t max_logprobs = 20;
  std::int64_t max_name_bytes = 256;
};

struct Settings {
  // Model
  std::string model;                           // checkpoint folder; empty: the demo model
  std::vector<std::string> served_model_name;  // empty: the folder's name
  std::optional<std::int64_t> max_model_len;   // tokens; unset: the model's own limit
  std::string generation_config = "auto";      // "auto", "none" or a folder
  std::string reasoning_parser = "auto";       // or deepseek_v31, none
  std::string tool_call_parser = "auto";

  // Scheduling
  std::int64_t max_num_batched_tokens = 2048;
  std::int64_t max_num_seqs = 256;
  std::int64_t max_waiting = 1024;
  std::string scheduling_policy = "decode_first";

  // Memory
  std::int64_t block_size = 16;  // tokens
  double gpu_memory_utilization = 0.5;
  std::optional<ByteSize> kv_cache_memory_bytes;
  bool enable_prefix_caching = true;

  // Parallelism
  std::int64_t tensor_parallel_size = 1;
  std::int64_t data_parallel_size = 1;
  bool enable_expert_parallel = false;
  std::int64_t virtual_shards = 16;
  std::optional<std::int64_t> threads;  // unset: as many as the process may run on
  std::int64_t max_restarts = 5;        // of a worker, with no step between them
  Seconds hang_timeout{0.4};

  // Nodes and their links
  std::int64_t nodes = 1;  // mpirun sets its own number
  std::string control_host = "127.0.0.1";
  std::int64_t control_port = 0;                 // 0: any free one
  std::string tensor_interface;                  // empty: loopback
  std::string tls_ca, tls_certificate, tls_key;  // PEM files; empty: made for the launch

  EdgeSettings edge;

  // Logging
  std::string log_level = "info";

  std::string config_file;
  bool show_config = false;

  std::int64_t nodes_here = 1;  // no setting: how many nodes of the replica share this host, as mpirun knows

  std::int64_t ranks() const { return tensor_parallel_size * data_parallel_size; }
};

// The table over `settings`, which it writes to and which must outlive it.
Table schema(Settings& settings);
Table schema(EdgeSettings& settings);
// What a node of another host needs too: its links, threads and log.
Table node_schema(Settings& settings);

// Rows of a table, in the order of names; CHECKs that each is there.
Table select(Table table, const std::vector<std::string_view>& names);

// Throws UsageError for values that are each permitted but do not go together, or that this version cannot
// serve.
void validate(const Settings& settings);
// Of the links alone.
void validate_links(const Settings& settings);
bool is_loopback(const std::string& host);

}  // namespace troupe::config
