#include "launch/server.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <optional>
#include <thread>

#include "actors/edge/http_server.hpp"
#include "config/speculation.hpp"
#include "kernels/cuda/device_calls.hpp"
#include "launch/identity.hpp"
#include "launch/node_process.hpp"
#include "launch/single_rank.hpp"
#include "launch/stop_signals.hpp"
#include "model/checkpoint/checkpoint_digest.hpp"
#include "runtime/base/build_id.hpp"
#include "runtime/base/log.hpp"
#include "runtime/execution/kv_size.hpp"
#include "runtime/execution/start_fit.hpp"
#include "runtime/scheduling/recording/schedule_recorder.hpp"
#include "transport/nccl/nccl_calls.hpp"

namespace troupe::launch {
namespace {

constexpr std::chrono::milliseconds readiness_poll{20};

bool predicts(const config::Settings& settings) {
  return config::speculation_of(settings).method == DraftMethod::mtp;
}

// Throws DoesNotFit for a size in bytes that does not hold a sequence.
void check_bytes(const runtime::KvBudget& budget, const config::Settings& settings,
                 const model::Checkpoint& checkpoint, std::int32_t max_model_len, kernels::CacheType type) {
  const std::size_t per_token = model::cache_bytes_per_token(
      checkpoint.config(), sharding(settings, checkpoint), predicts(settings), type);
  const auto shape = [&](std::int32_t length) {
    return runtime::KvShape{per_token, settings.scheduler.block_size, length};
  };
  try {
    runtime::kv_size(budget, shape(max_model_len), {});
  } catch (const OutOfMemory& why) {
    const auto fits = [&](const runtime::StartSettings& other) {
      return runtime::holds_a_sequence(budget, shape(other.max_model_len), {});
    };
    const runtime::StartSettings asked{settings.scheduler.max_num_seqs,
                                       settings.scheduler.max_num_batched_tokens, max_model_len};
    throw runtime::DoesNotFit(why, runtime::find_start_fit(asked, settings.scheduler.block_size, fits), type);
  }
}

// Of each rank. A size in bytes that is too small is an Error now; what memory has room for is known with the weights.
runtime::KvBudget kv_budget(const config::Settings& settings, const model::Checkpoint& checkpoint,
                            std::int32_t max_model_len, kernels::CacheType type) {
  runtime::KvBudget budget{.bytes = 0,
                           .memory_utilization = settings.memory_utilization(),
                           .ranks_of_host = settings.ranks() / settings.nodes * settings.nodes_here,
                           .max_sequences = settings.scheduler.max_num_seqs};
  if (!settings.kv_cache_memory_bytes) return budget;
  budget.bytes = settings.kv_cache_memory_bytes->bytes;
  check_bytes(budget, settings, checkpoint, max_model_len, type);
  return budget;
}

std::vector<std::pair<std::string, std::string>> describe_devices() {
  const kernels::cuda::FoundDevices found = kernels::cuda::find_devices();
  if (!found.missing.empty()) return {{"missing", found.missing}};
  return {{"driver", found.driver},
          {"cuda", found.cuda},
          {"nccl", transport::installed_nccl_version()},
          {"gpus", found.gpus},
          {"kernels", found.kernels}};
}

actors::ModelInfo describe(const config::Settings& settings, const std::filesystem::path& folder,
                           const model::Checkpoint& checkpoint, const model::TextModel& text) {
  actors::ModelInfo info;
  info.names = settings.served_model_name;
  if (info.names.empty()) info.names = {settings.model.empty() ? "troupe-mini" : checkpoint.name()};
  info.root = folder.filename().string();
  info.max_model_len = context_length(settings, checkpoint.config());
  info.created =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch())
          .count();
  info.fingerprint = "fp_" + build_id().substr(0, 12);
  if (const auto cache = runtime::kv_cache_type(settings.kv_cache_dtype, info.max_model_len);
      cache != kernels::CacheType::f32)
    info.fingerprint += "_" + std::string(name_of(cache));
  if (settings.repetition_guard)  // which ends answers elsewhere
    info.fingerprint += "_guard" + std::to_string(settings.repetition_guard_ngram) + "x" +
                        std::to_string(settings.repetition_guard_repeats);
  info.architecture = checkpoint.config().architecture;
  info.weight_bytes = checkpoint.total_bytes(predicts(settings));
  info.calls_tools = text.takes_tools;
  info.thinks = text.tokenizer.id_of_added("</think>").has_value();
  info.digest = model::checkpoint_digest(checkpoint);
  info.layout = {settings.tensor_parallel_size, settings.data_parallel_size, settings.enable_expert_parallel,
                 std::int32_t(checkpoint.config().n_routed_experts)};
  if (settings.device != "cpu") info.devices = describe_devices();
  return info;
}

// With --chat-template and its variables, and --generation-config: the checkpoint's own, another folder's, or none.
std::shared_ptr<const model::TextModel> load_text(const config::Settings& settings,
                                                  const std::filesystem::path& folder,
                                                  std::int64_t vocab_size) {
  auto text = std::make_shared<model::TextModel>(model::TextModel::load(folder, settings.chat_template));
  if (!settings.default_chat_template_kwargs.empty())
    text->set_default_variables(nlohmann::ordered_json::parse(settings.default_chat_template_kwargs));
  if (settings.generation_config == "none" || settings.generation_config == "vllm")
    text->defaults = {};
  else if (settings.generation_config != "auto")
    text->defaults = model::load_generation_config(settings.generation_config, vocab_size);
  return text;
}

actors::ReplicaOptions replica_options(const config::Settings& settings,
                                       const std::filesystem::path& folder) {
  const auto checkpoint = model::Checkpoint::open(folder);
  log_event(LogLevel::info, "checkpoint_opened",
            {{"folder", folder.string()}, {"weight_bytes", checkpoint.total_bytes(predicts(settings))}});
  for (const std::string& note : checkpoint.notes())
    log_event(LogLevel::warning, "checkpoint_note", {{"note", note}});
  actors::ReplicaOptions options;
  options.checkpoint = std::filesystem::absolute(folder).string();
  options.weight_bytes = checkpoint.total_bytes(predicts(settings));
  options.experts = std::int32_t(checkpoint.config().n_routed_experts);
  options.vocab_size = checkpoint.config().vocab_size;
  options.sharding = sharding(settings, checkpoint);
  options.text = load_text(settings, folder, checkpoint.config().vocab_size);
  if (const std::string note = model::note_on(options.text->defaults); !note.empty())
    log_event(LogLevel::warning, "checkpoint_note", {{"note", note}});
  options.info = describe(settings, folder, checkpoint, *options.text);
  options.cache_type = runtime::kv_cache_type(settings.kv_cache_dtype, options.info.max_model_len);
  log_event(LogLevel::info, "kv_cache_type",
            {{"type", name_of(options.cache_type)},
             {"asked_for", settings.kv_cache_dtype},
             {"max_model_len", options.info.max_model_len}});
  options.cache = kv_budget(settings, checkpoint, options.info.max_model_len, options.cache_type);
  if (!settings.record_schedule.empty())
    options.listener = std::make_shared<runtime::ScheduleRecorder>(
        settings.record_schedule,
        runtime::ScheduleFileLimits{std::size_t(settings.record_schedule_bytes.bytes),
                                    settings.record_schedule_files});
  return options;
}

Error unloadable(const std::filesystem::path& checkpoint) {
  return Error("the model cannot be loaded; the log says why", checkpoint.string());
}

// Until a signal comes (true), or the model turns out not
// to load. A replica that fails later stays and says so.
bool wait_for_the_end(const sigset_t& stop, const actors::Replica& replica) {
  while (!stop_signal_came(stop))
    if (replica.failed_to_start()) return false;
  return true;
}

actors::ReplicaOptions::Processes processes(const config::Settings& settings, const Launch& launch) {
  return {.node = node_settings(settings, launch.identity, settings.control_host, settings.control_port),
          .door_opened = [&](std::uint16_t port) {
            log_event(LogLevel::info, "control_listening", {{"host", settings.control_host}, {"port", port}});
            if (launch.door_opened) launch.door_opened(port);
          }};
}

}  // namespace

bool ranks_are_processes(const config::Settings& settings) {
  return settings.ranks() > 1 || settings.device != "cpu";
}

std::shared_ptr<actors::Replica> start_replica(const config::Settings& settings,
                                               const std::filesystem::path& checkpoint,
                                               const Launch& launch) {
  set_log_level(parse_log_level(settings.log_level));
  auto options = replica_options(settings, checkpoint);
  if (ranks_are_processes(settings)) options.processes = processes(settings, launch);
  return std::make_shared<actors::Replica>(settings, std::move(options));
}

bool wait_until_ready(const actors::Replica& replica, const std::filesystem::path& checkpoint,
                      const std::function<bool()>& given_up) {
  for (;; std::this_thread::sleep_for(readiness_poll)) {
    if (given_up()) return false;
    if (replica.ready()) return true;
    if (replica.failed_to_start()) throw unloadable(checkpoint);
  }
}

namespace {

// Serves until the end. Else, if memory is too short for the settings and others may be tried: what would fit.
std::optional<runtime::StartSettings> serve_once(config::Settings& settings,
                                                 const std::filesystem::path& checkpoint,
                                                 const Launch& launch, const sigset_t& stop) {
  const auto replica = start_replica(settings, checkpoint, launch);
  actors::edge::HttpServer server(settings.edge, TROUPE_VERSION, replica);
  log_event(LogLevel::info, "listening",
            {{"host", settings.edge.host},
             {"port", server.port()},
             {"ollama_port", settings.edge.ollama_port},
             {"metrics_port", settings.edge.metrics_port}});
  const bool loaded = wait_for_the_end(stop, *replica);
  const auto fits = replica->settings_that_fit();
  std::atomic<bool> hurried = false;
  const std::jthread impatient([&](const std::stop_token& left) {
    while (!left.stop_requested()) {
      if (!stop_signal_came(stop)) continue;
      hurried = true;
      server.hasten();
    }
  });
  server.stop();
  if (loaded) return std::nullopt;
  if (!settings.degrade || !fits.known() || hurried) throw unloadable(checkpoint);
  settings.edge.port = server.port();  // clients have heard of it
  return fits;
}

// What the cache stores stays as it is, since answers depend on it and a shorter context would have another default.
void take_less(config::Settings& settings, const runtime::StartSettings& fits,
               const std::filesystem::path& checkpoint) {
  const std::int32_t asked = context_length(settings, model::Checkpoint::open(checkpoint).config());
  settings.kv_cache_dtype = name_of(runtime::kv_cache_type(settings.kv_cache_dtype, asked));
  log_event(LogLevel::warning, "degraded",
            {{"max_num_seqs", fits.max_num_seqs},
             {"max_num_batched_tokens", fits.max_num_batched_tokens},
             {"max_model_len", fits.max_model_len},
             {"asked_max_num_seqs", settings.scheduler.max_num_seqs},
             {"asked_max_num_batched_tokens", settings.scheduler.max_num_batched_tokens},
             {"asked_max_model_len", asked}});
  settings.scheduler.max_num_seqs = fits.max_num_seqs;
  settings.scheduler.max_num_batched_tokens = fits.max_num_batched_tokens;
  settings.max_model_len = fits.max_model_len;
}

}  // namespace

int run_server(const config::Settings& settings, const std::filesystem::path& checkpoint,
               const Launch& launch) {
  const sigset_t stop = block_stop_signals(true);
  config::Settings tried = settings;
  for (;;) {
    std::optional<runtime::StartSettings> fits;
    try {
      fits = serve_once(tried, checkpoint, launch, stop);
    } catch (const runtime::DoesNotFit& why) {
      if (!tried.degrade || !why.fit.together.known()) throw;
      fits = why.fit.together;
    }
    if (!fits) return 0;
    take_less(tried, *fits, checkpoint);
  }
}

}  // namespace troupe::launch
