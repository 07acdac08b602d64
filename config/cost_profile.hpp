// What an analytic model of costs assumes of a model and of the machines that serve it: TOML files in config/profiles/, where
// each number stands with its source. Plain values; the thread that reads them.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "config/setting.hpp"

namespace troupe::config {

// Of a mixture-of-experts model with latent attention; names are those of its config.json.
struct ModelShape {
  std::int32_t num_hidden_layers = 0, first_k_dense_replace = 0, hidden_size = 0, vocab_size = 0;
  std::int32_t num_attention_heads = 0, q_lora_rank = 0, kv_lora_rank = 0;
  std::int32_t qk_nope_head_dim = 0, qk_rope_head_dim = 0, v_head_dim = 0;
  std::int32_t intermediate_size = 0, moe_intermediate_size = 0;
  std::int32_t n_routed_experts = 0, num_experts_per_tok = 0, n_shared_experts = 0;
  std::int32_t num_nextn_predict_layers = 0;
  double weight_bytes = 0, head_bytes = 0;  // of a weight of a layer, and of the embedding and the head
  double cache_bytes = 0;                   // of a value of the latent
  double acceptance = 0;                    // of the prediction layer's first guess
  double expert_skew = 0;                   // s: the i-th expert is chosen in proportion to 1 / i^s
};

// Seconds of an all-reduce over so many bytes a rank; by bytes, ascending.
using AllReduceTimes = std::vector<std::pair<double, double>>;

struct Machine {
  std::int32_t hosts = 0, devices_per_host = 0;
  double memory_bytes = 0, memory_bandwidth = 0;   // of a device; bytes, and bytes a second
  double fp8_flops = 0, bf16_flops = 0;            // of a device, a second
  double memory_efficiency = 0;                    // the part of those that kernels reach
  double fp8_efficiency = 0, bf16_efficiency = 0;  // likewise
  double all_to_all_bandwidth = 0,
         all_to_all_latency = 0;  // of a device within its host; bytes a second, and seconds
  double network_bandwidth = 0, network_latency = 0;  // of a device to other hosts
  double layer_seconds = 0, step_seconds = 0;         // that nothing above explains
  double reserved_bytes = 0;                          // of a device's memory, for activations and libraries
  double recovery_seconds =
      0;  // from a rank's death until its replica serves again, but for reading its weights
  double weights_bandwidth = 0;                                             // of that; bytes a second
  std::vector<std::string> all_reduce_2{}, all_reduce_4{}, all_reduce_8{};  // "BYTES:MICROSECONDS", by ranks

  // Of 2, 4 or 8 ranks of a host, which the file has; as read, so valid.
  AllReduceTimes all_reduce(std::int32_t ranks) const;
};

// name: a file, or one of the folder's without its ending. Throw Error if there is none, UsageError that names what it lacks
// or should not have.
ModelShape read_model_shape(const std::string& name, const std::filesystem::path& folder);
Machine read_machine(const std::string& name, const std::filesystem::path& folder);

}  // namespace troupe::config
