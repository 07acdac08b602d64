// What a step of a mixture-of-experts model with latent attention takes, from the bytes that it reads, the arithmetic that it
// does and what its ranks say to each other: each part takes the longer of its bytes and its arithmetic (the roofline of Williams, Waterman
// and Patterson, CACM 2009), parts follow each other, and nothing overlaps. What is assumed of model and machine is named in
// config/profiles/.
#pragma once

#include <array>
#include <unordered_map>

#include "config/cost_profile.hpp"
#include "runtime/lab/cost_model.hpp"

namespace troupe::runtime::lab {

struct Layout {
  std::int32_t tensor_parallel = 1, data_parallel = 1;
  bool expert_parallel = false;  // whole experts spread over all ranks; else a part of each on every rank
  std::int32_t ranks() const { return tensor_parallel * data_parallel; }
};

class AnalyticCost final : public CostModel {
 public:
  // Throws Error for a layout that the machine has not the devices for, or of a tensor parallelism that it knows no
  // all-reduce of.
  AnalyticCost(config::ModelShape model, config::Machine machine, Layout layout);

  StepTimes step(const StepLoad& load) const override;
  std::vector<CostPart> explain(const StepLoad& load) const override;

  double acceptance() const { return model_.acceptance; }  // of a guess of the prediction layer
  // Of a rank's weights.
  double weight_bytes() const;
  // KV blocks that a group's ranks have room for. Throws Error if the weights do not leave any.
  std::int32_t blocks(std::int32_t block_size) const;
  // Of a layer's experts, those that so many rows of the replica are expected to choose, on the rank that has the most of them.
  double experts_hit(std::int32_t rows) const;

 private:
  enum Part { projections, attention, dense, shared, routed, all_reduce, all_to_all, head, overhead, parts };
  using Seconds = std::array<double, parts>;

  Seconds model_seconds(const StepLoad& load) const;
  double prediction_seconds(const StepLoad& load) const;
  void add_layers(const StepLoad& load, double dense_layers, double moe_layers, Seconds& out) const;
  void add_head(const StepLoad& load, Seconds& out) const;
  double projection_weights() const;
  double busiest_choices() const;
  double read_or_compute(double bytes, double fp8_flop) const;
  double all_reduce_seconds(double bytes) const;
  double exchange_seconds(double rows) const;

  config::ModelShape model_;
  config::Machine machine_;
  Layout layout_;
  config::AllReduceTimes all_reduce_times_;  // empty for one rank
  std::vector<double> popularity_;           // of each expert: the probability that a row chooses it
  mutable std::unordered_map<std::int32_t, double> hits_;  // what experts_hit has found
};

}  // namespace troupe::runtime::lab
