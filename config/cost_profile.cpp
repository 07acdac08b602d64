#include "config/cost_profile.hpp"

#include <algorithm>
#include <charconv>

#include "config/settings_file.hpp"

namespace troupe::config {
namespace {

constexpr std::int64_t most = std::int64_t(1) << 62;  // no limit, but for what is nonsense

Table table_of(ModelShape& m) {
  const auto whole = [](std::string_view name, std::int32_t& target, std::int64_t low = 1) {
    return Setting{.name = name, .target = &target, .range = {low, 1 << 30}};
  };
  const auto number = [](std::string_view name, double& target, std::int64_t high) {
    return Setting{.name = name, .target = &target, .range = {0, high}};
  };
  return {whole("num-hidden-layers", m.num_hidden_layers),
          whole("first-k-dense-replace", m.first_k_dense_replace, 0),
          whole("hidden-size", m.hidden_size),
          whole("vocab-size", m.vocab_size),
          whole("num-attention-heads", m.num_attention_heads),
          whole("q-lora-rank", m.q_lora_rank),
          whole("kv-lora-rank", m.kv_lora_rank),
          whole("qk-nope-head-dim", m.qk_nope_head_dim),
          whole("qk-rope-head-dim", m.qk_rope_head_dim),
          whole("v-head-dim", m.v_head_dim),
          whole("intermediate-size", m.intermediate_size),
          whole("moe-intermediate-size", m.moe_intermediate_size),
          whole("n-routed-experts", m.n_routed_experts),
          whole("num-experts-per-tok", m.num_experts_per_tok),
          whole("n-shared-experts", m.n_shared_experts, 0),
          whole("num-nextn-predict-layers", m.num_nextn_predict_layers, 0),
          number("weight-bytes", m.weight_bytes, 8),
          number("head-bytes", m.head_bytes, 8),
          number("cache-bytes", m.cache_bytes, 8),
          number("acceptance", m.acceptance, 1),
          number("expert-skew", m.expert_skew, 4)};
}

Table table_of(Machine& m) {
  const auto above_zero = [](std::string_view name, double& target, std::int64_t high = most) {
    return Setting{.name = name, .target = &target, .range = {0, high, true}};
  };
  const auto seconds = [](std::string_view name, double& target) {
    return Setting{.name = name, .target = &target, .range = {0, 1}};
  };
  return {{.name = "hosts", .target = &m.hosts, .range = {1, 1024}},
          {.name = "devices-per-host", .target = &m.devices_per_host, .range = {1, 1024}},
          above_zero("memory-bytes", m.memory_bytes),
          above_zero("memory-bandwidth", m.memory_bandwidth),
          above_zero("fp8-flops", m.fp8_flops),
          above_zero("bf16-flops", m.bf16_flops),
          above_zero("memory-efficiency", m.memory_efficiency, 1),
          above_zero("fp8-efficiency", m.fp8_efficiency, 1),
          above_zero("bf16-efficiency", m.bf16_efficiency, 1),
          above_zero("all-to-all-bandwidth", m.all_to_all_bandwidth),
          seconds("all-to-all-latency", m.all_to_all_latency),
          above_zero("network-bandwidth", m.network_bandwidth),
          seconds("network-latency", m.network_latency),
          seconds("layer-seconds", m.layer_seconds),
          seconds("step-seconds", m.step_seconds),
          {.name = "reserved-bytes", .target = &m.reserved_bytes, .range = {0, most}},
          {.name = "recovery-seconds", .target = &m.recovery_seconds, .range = {0, 86'400}},
          above_zero("weights-bandwidth", m.weights_bandwidth),
          {.name = "all-reduce-2", .target = &m.all_reduce_2},
          {.name = "all-reduce-4", .target = &m.all_reduce_4},
          {.name = "all-reduce-8", .target = &m.all_reduce_8}};
}

void read(const std::string& name, const std::filesystem::path& folder, Table table) {
  const std::filesystem::path known = folder / (name + ".toml");
  const bool is_known = name.find('/') == name.npos && std::filesystem::exists(known);
  const std::filesystem::path file = is_known ? known : std::filesystem::path(name);
  if (!std::filesystem::exists(file))
    throw Error("is no profile", name, "known ones are in " + folder.string());
  for (const Given& given : parse_settings_file(table, file, table)) assign(given);
  for (const Setting& each : table)
    if (each.source == "default")
      throw UsageError("is missing", file.string() + ": " + std::string(each.name));
}

// Empty: a text is none, or they do not ascend.
AllReduceTimes parse_times(const std::vector<std::string>& texts) {
  AllReduceTimes times;
  for (const std::string& text : texts) {
    double bytes = 0, microseconds = 0;
    const char* const end = text.data() + text.size();
    const auto first = std::from_chars(text.data(), end, bytes);
    if (first.ec != std::errc() || first.ptr == end || *first.ptr != ':') return {};
    const auto second = std::from_chars(first.ptr + 1, end, microseconds);
    if (second.ec != std::errc() || second.ptr != end || !(microseconds > 0)) return {};
    if (!(bytes > (times.empty() ? 0 : times.back().first))) return {};
    times.emplace_back(bytes, microseconds * 1e-6);
  }
  return times;
}

}  // namespace

AllReduceTimes Machine::all_reduce(std::int32_t ranks) const {
  return parse_times(ranks == 2 ? all_reduce_2 : ranks == 4 ? all_reduce_4 : all_reduce_8);
}

ModelShape read_model_shape(const std::string& name, const std::filesystem::path& folder) {
  ModelShape shape;
  read(name, folder, table_of(shape));
  if (shape.num_experts_per_tok > shape.n_routed_experts ||
      shape.first_k_dense_replace > shape.num_hidden_layers)
    throw UsageError("more of a part than of the whole", name);
  return shape;
}

Machine read_machine(const std::string& name, const std::filesystem::path& folder) {
  Machine machine;
  read(name, folder, table_of(machine));
  for (std::int32_t ranks : {2, 4, 8})
    if (machine.all_reduce(ranks).empty())
      throw UsageError("must be \"BYTES:MICROSECONDS\" texts, of ascending bytes",
                       name + ": all-reduce-" + std::to_string(ranks));
  return machine;
}

}  // namespace troupe::config
