#include "launch/server.hpp"

#include <algorithm>
#include <chrono>

#include "actors/edge/http_server.hpp"
#include "actors/replica.hpp"
#include "launch/identity.hpp"
#include "launch/node_process.hpp"
#include "launch/single_rank.hpp"
#include "launch/stop_signals.hpp"
#include "runtime/base/log.hpp"
#include "runtime/execution/kv_size.hpp"

namespace troupe::launch {
namespace {

std::chrono::milliseconds in_ms(config::Seconds time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time);
}

// Of each rank.
runtime::KvSize plan_kv(const config::Settings& settings, const model::Checkpoint& checkpoint,
                        std::int32_t max_model_len) {
  runtime::KvBudget budget;
  if (settings.kv_cache_memory_bytes) budget.bytes = std::size_t(settings.kv_cache_memory_bytes->bytes);
  budget.memory_utilization = settings.gpu_memory_utilization;
  const runtime::KvShape shape{model::cache_bytes_per_token(checkpoint.config()),
                               std::int32_t(settings.block_size), max_model_len};
  // A host's ranks share its memory and hold, together, about its share of the weights.
  const std::size_t nodes = std::size_t(settings.nodes), nodes_here = std::size_t(settings.nodes_here),
                    ranks_here = std::size_t(settings.ranks()) / nodes * nodes_here;
  auto size = runtime::kv_size(
      budget, shape, runtime::memory_limit() / ranks_here,
      (runtime::memory_resident() + checkpoint.total_bytes() / nodes * nodes_here) / ranks_here);
  if (!budget.bytes) size = runtime::at_most(size, shape, std::int32_t(settings.max_num_seqs));
  log_event(LogLevel::info, "kv_cache",
            {{"bytes", size.bytes},
             {"blocks", size.blocks},
             {"full_length_sequences", size.full_length_sequences}});
  return size;
}

actors::ModelInfo describe(const config::Settings& settings, const std::filesystem::path& folder,
                           std::int32_t max_model_len) {
  actors::ModelInfo info;
  info.names = settings.served_model_name;
  if (info.names.empty()) info.names = {settings.model.empty() ? "troupe-mini" : folder.filename().string()};
  info.root = folder.filename().string();
  info.max_model_len = max_model_len;
  info.created =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  return info;
}

// --generation-config: the checkpoint's own, another folder's, or none.
std::shared_ptr<const model::TextModel> load_text(const config::Settings& settings,
                                                  const std::filesystem::path& folder,
                                                  std::int64_t vocab_size) {
  auto text = std::make_shared<model::TextModel>(model::TextModel::load(folder));
  if (settings.generation_config == "none")
    text->defaults = {};
  else if (settings.generation_config != "auto")
    text->defaults = model::load_generation_config(settings.generation_config, vocab_size);
  return text;
}

actors::ReplicaOptions replica_options(const config::Settings& settings,
                                       const std::filesystem::path& folder) {
  const auto checkpoint = model::Checkpoint::open(folder);
  log_event(LogLevel::info, "checkpoint_opened",
            {{"folder", folder.string()}, {"weight_bytes", checkpoint.total_bytes()}});
  actors::ReplicaOptions options;
  options.checkpoint = std::filesystem::absolute(folder).string();
  options.weight_bytes = checkpoint.total_bytes();
  options.experts = std::int32_t(checkpoint.config().n_routed_experts);
  options.sharding = sharding(settings, checkpoint);
  options.text = load_text(settings, folder, checkpoint.config().vocab_size);
  options.parse_reasoning = settings.reasoning_parser != "none";
  options.parse_tool_calls = settings.tool_call_parser != "none";
  const std::int32_t max_model_len = context_length(settings, checkpoint.config());
  options.info = describe(settings, folder, max_model_len);
  options.policy = settings.scheduling_policy;
  options.scheduler = {.max_num_batched_tokens = std::int32_t(settings.max_num_batched_tokens),
                       .max_num_seqs = std::int32_t(settings.max_num_seqs),
                       .max_model_len = max_model_len,
                       .max_waiting = std::int32_t(settings.max_waiting),
                       .block_size = std::int32_t(settings.block_size),
                       .prefix_caching = settings.enable_prefix_caching};
  options.blocks = plan_kv(settings, checkpoint, max_model_len).blocks;
  options.threads = compute_threads(settings);
  options.restarts.max_consecutive_restarts = int(settings.max_restarts);
  options.hang_limit = in_ms(settings.hang_timeout);
  return options;
}

actors::edge::ConnectionLimits connection_limits(const config::EdgeSettings& settings) {
  return {.connections = std::size_t(settings.max_connections),
          .header_bytes = std::uint32_t(settings.max_header_bytes.bytes),
          .headers = std::size_t(settings.max_headers),
          .body_bytes = std::uint64_t(settings.max_body_bytes.bytes),
          .read_ahead_bytes = std::size_t(settings.max_read_ahead_bytes.bytes),
          .buffered_deltas = std::int32_t(settings.max_buffered_deltas),
          .header_timeout = in_ms(settings.header_timeout),
          .body_timeout = in_ms(settings.body_timeout),
          .idle_timeout = in_ms(settings.idle_timeout),
          .write_timeout = in_ms(settings.write_timeout),
          .linger_timeout = in_ms(settings.linger_timeout),
          .stop_timeout = in_ms(settings.stop_timeout)};
}

actors::edge::RequestLimits request_limits(const config::EdgeSettings& settings) {
  return {.json_depth = std::size_t(settings.max_json_depth),
          .json_values = std::size_t(settings.max_json_values),
          .json_keys = std::size_t(settings.max_json_keys),
          .messages = std::size_t(settings.max_messages),
          .content_parts = std::size_t(settings.max_content_parts),
          .tool_calls = std::size_t(settings.max_tool_calls),
          .tools = std::size_t(settings.max_tools),
          .n = std::int32_t(settings.max_n),
          .choices = std::size_t(settings.max_choices),
          .stop_strings = std::size_t(settings.max_stop_strings),
          .stop_string_bytes = std::size_t(settings.max_stop_string_bytes),
          .stop_token_ids = std::size_t(settings.max_stop_token_ids),
          .logprobs = std::int32_t(settings.max_logprobs),
          .name_bytes = std::size_t(settings.max_name_bytes)};
}

actors::edge::EdgeOptions edge_options(const config::EdgeSettings& settings) {
  return {.host = settings.host,
          .port = std::uint16_t(settings.port),
          .io_threads = std::int32_t(settings.io_threads),
          .api_keys = settings.api_key,
          .replica_control = settings.enable_replica_control,
          .version = TROUPE_VERSION,
          .connection = connection_limits(settings),
          .request = request_limits(settings)};
}

// Until a signal comes (true), or the model turns out not to load. A replica that fails later stays and says
// so.
bool wait_for_the_end(const sigset_t& stop, const actors::Replica& replica) {
  while (!stop_signal_came(stop))
    if (replica.failed_to_start()) return false;
  return true;
}

actors::ReplicaOptions::Processes processes(const config::Settings& settings, const Launch& launch) {
  return {.nodes = std::int32_t(settings.nodes),
          .node = node_settings(settings, launch.identity, settings.control_host,
                                std::uint16_t(settings.control_port)),
          .door_opened = [&](std::uint16_t port) {
            log_event(LogLevel::info, "control_listening", {{"host", settings.control_host}, {"port", port}});
            if (launch.door_opened) launch.door_opened(port);
          }};
}

}  // namespace

int run_server(const config::Settings& settings, const std::filesystem::path& checkpoint,
               const Launch& launch) {
  const sigset_t stop = block_stop_signals(true);
  set_log_level(parse_log_level(settings.log_level));
  auto options = replica_options(settings, checkpoint);
  if (settings.ranks() > 1) options.processes = processes(settings, launch);
  const auto replica = std::make_shared<actors::Replica>(std::move(options));
  actors::edge::HttpServer server(edge_options(settings.edge), replica);
  log_event(LogLevel::info, "listening", {{"host", settings.edge.host}, {"port", server.port()}});
  const bool loaded = wait_for_the_end(stop, *replica);
  server.stop();
  if (!loaded) throw Error("the model cannot be loaded; the log says why", checkpoint.string());
  return 0;
}

}  // namespace troupe::launch
