// What troupe size found, for people and for machines. Plain functions, any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "launch/sizing/sizing.hpp"

namespace troupe::launch::sizing {

struct Report {
  std::string model{}, architecture{};
  std::size_t weight_bytes = 0;   // as stored
  std::int64_t context = 0;       // tokens of a sequence
  double memory_utilization = 0;  // of each GPU
  std::size_t host_weights = 0;   // of each GPU: so many bytes at most stay in its host's memory
  std::size_t overhead = 0;       // of each GPU
  const Gpu* gpu = nullptr;
  std::int32_t gpus = 0;
  struct Row {
    Layout layout;
    std::size_t left_for_cache = 0;
    std::int64_t sequences = 0;
  };
  std::vector<Row> rows{};         // of those GPUs
  std::vector<Choice> smallest{};  // of each kind that holds the model
};

// hosts: 0: as few as hold it.
Report report_on(const model::Checkpoint& checkpoint, const Deployment& deployment, const Gpu& gpu,
                 std::int32_t hosts);

std::string text_of(const Report& report);
nlohmann::ordered_json json_of(const Report& report);

}  // namespace troupe::launch::sizing
