// What the ranges of single settings cannot say: settings that contradict each other.
#include <bit>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "config/settings.hpp"
#include "config/speculation.hpp"

namespace troupe::config {

void validate_links(const Settings& s) {
  const int given = !s.tls_ca.empty() + !s.tls_certificate.empty() + !s.tls_key.empty();
  if (given != 0 && given != 3)
    throw UsageError("certificates are given in part", "--tls-ca, --tls-certificate, --tls-key",
                     "give all three or none");
  // A watch looks every 20 ms, several times within the limit.
  constexpr std::chrono::milliseconds shortest_hang_timeout{100};
  if (s.hang_timeout < shortest_hang_timeout)
    throw UsageError("too short to tell a hang from a pause", "--hang-timeout", "give 0.1 or more");
}

namespace {

void validate_parallelism(const Settings& s) {
  for (auto [name, value] : {std::pair{"--tensor-parallel-size", s.tensor_parallel_size},
                             std::pair{"--data-parallel-size", s.data_parallel_size}})
    if (!std::has_single_bit(std::uint64_t(value)))
      throw UsageError("'" + std::to_string(value) + "' is not a power of two", name,
                       "permitted: 1, 2, 4, ... " + std::to_string(most_ranks));
  if (s.ranks() % s.nodes != 0)
    throw UsageError(std::to_string(s.ranks()) + " ranks cannot be spread evenly over " +
                         std::to_string(s.nodes) + " nodes",
                     "--nodes", "choose a number of nodes that divides the ranks");
  if (is_loopback(s.control_host)) return;
  if (s.tls_ca.empty())
    throw UsageError("'" + s.control_host + "' is not loopback, and there are no certificates",
                     "--control-host",
                     "make them with troupe certs and give --tls-ca, --tls-certificate and --tls-key");
  if (s.tensor_interface.empty())
    throw UsageError("'" + s.control_host + "' is not loopback, and tensors have no network",
                     "--control-host", "give --tensor-interface");
}

// So that a slash at the end makes no difference.
std::filesystem::path as_folder(const std::string& name) {
  return (std::filesystem::path(name) / "").lexically_normal();
}

}  // namespace

void validate(const Settings& s) {
  validate_links(s);
  validate_parallelism(s);
  for (const auto& [shards, flag] :
       {std::pair(s.virtual_shards, "--virtual-shards"), {s.expert_shards.value_or(1), "--expert-shards"}})
    if (!std::has_single_bit(std::uint64_t(shards)))
      throw UsageError("'" + std::to_string(shards) + "' is not a power of two", flag,
                       "permitted: 1, 2, 4, ... " + std::to_string(most_ranks));
  if (s.scheduler.max_num_batched_tokens < s.scheduler.max_num_seqs)
    throw UsageError("'" + std::to_string(s.scheduler.max_num_batched_tokens) +
                         "' is fewer than --max-num-seqs, which is " +
                         std::to_string(s.scheduler.max_num_seqs),
                     "--max-num-batched-tokens", "a step must have room for one token of every sequence");
  if (s.degrade && s.nodes > 1)
    throw UsageError("a replica of several nodes does not start again with less", "--degrade",
                     "leave it out: the error of a start that fails names what would fit");
  (void)speculation_of(s);
  if (s.require_rdma && s.device == "cpu")
    throw UsageError("tensors of CPUs go over TCP", "--require-rdma", "leave it out, or give --device cuda");
  if (s.require_rdma && s.gpu_communicator == "host")
    throw UsageError("by way of the host tensors go over TCP", "--require-rdma",
                     "leave it out, or give --gpu-communicator nccl");
  if (const auto& kwargs = s.default_chat_template_kwargs;
      !kwargs.empty() && !nlohmann::json::parse(kwargs, nullptr, false).is_object())
    throw UsageError("'" + kwargs + "' is no JSON object", "--default-chat-template-kwargs",
                     R"(for example {"thinking": true})");
  if (!s.tokenizer.empty() && as_folder(s.tokenizer) != as_folder(s.model))
    throw UsageError("'" + s.tokenizer + "' is not the model", "--tokenizer",
                     "leave it out: a checkpoint is served with its own tokenizer");
  for (const std::string& name : s.served_model_name)
    if (name.empty()) throw UsageError("a name is empty", "--served-model-name");
  validate(s.edge);
}

}  // namespace troupe::config
