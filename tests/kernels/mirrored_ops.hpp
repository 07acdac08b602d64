// Operations of a device whose memory the host does not reach, given tensors of the host: what a call reads is copied
// to the device, and what it may have written comes back before it returns. So a test of an operation is one for
// every device. The queue that a call brings does not matter.
#pragma once

#include "kernels/cpu/cpu_ops.hpp"

namespace troupe::kernels {

class MirroredOps final : public Ops {
 public:
  explicit MirroredOps(Ops& device) : device_(device), queue_(device.make_queue()), host_(1) {}

  std::string_view arithmetic() const override { return device_.arithmetic(); }
  // Memory is the host's.
  std::unique_ptr<Queue> make_queue() override { return host_.make_queue(); }
  DeviceMemory memory() const override { return host_.memory(); }
  std::shared_ptr<void> allocate(std::size_t bytes) override { return host_.allocate(bytes); }
  std::byte* host_address(void* memory) const override { return host_.host_address(memory); }
  void upload(void* to, std::span<const std::byte> from) override { host_.upload(to, from); }
  void read(Queue& queue, const Tensor& x, std::span<std::byte> to) override { host_.read(queue, x, to); }

  void fill(Queue&, Tensor x, float value) override;
  void embed(Queue&, const IndexList& tokens, const Weight& table, TokenId first_token, Tensor out) override;
  void rms_norm(Queue&, const Tensor& x, const Tensor& weight, float epsilon, Tensor out) override;
  void layer_norm(Queue&, const Tensor& x, const Tensor& weight, const Tensor& bias, float epsilon,
                  Tensor out) override;
  void linear(Queue&, const Tensor& x, const Weight& w, Tensor out) override;
  void linear_sharded(Queue&, const Tensor& x, const Weight& w, const VirtualShards& shards,
                      Tensor out) override;
  void head_linear(Queue&, const Tensor& x, std::span<const Weight> heads, Tensor out) override;
  void rope(Queue&, const Tensor& x, const RopeTable& table, const StepLayout& layout, RopeForm form,
            Tensor out) override;
  void store_entries(Queue&, const Tensor& first, const Tensor& second, const StepLayout& layout,
                     const LayerCache& cache) override;
  void mla_attention(Queue&, const Tensor& q, const LayerCache& cache, const StepLayout& layout, float scale,
                     Tensor out) override;
  void select_keys(Queue&, const Tensor& q, const Tensor& weights, const LayerCache& keys,
                   const StepLayout& layout, Tensor scores, Tensor out) override;
  void sparse_mla_attention(Queue&, const Tensor& q, const LayerCache& cache, const Tensor& selected,
                            const StepLayout& layout, float scale, Tensor out) override;
  void gqa_attention(Queue&, const Tensor& q, const LayerCache& cache, std::int64_t key_heads,
                     const StepLayout& layout, float scale, Tensor out) override;
  void silu_mul(Queue&, Tensor gate, const Tensor& up) override;
  void add(Queue&, Tensor x, const Tensor& y) override;
  void add_row(Queue&, Tensor x, const Tensor& row) override;
  void route(Queue&, const Tensor& logits, const RoutingRule& rule, Routing& out) override;
  void count_experts(Queue&, const Routing& routing, Tensor load) override;
  void list_visits(Queue&, const Routing& routing, ExpertBatch& out) override;
  void experts(Queue&, const ExpertBatch& batch, const ExpertWeights& local, Tensor out) override;
  void weighted_sum(Queue&, const Tensor& rows, const Routing& routing, Tensor out) override;
  void copy(Queue&, const Tensor& x, Tensor out) override;
  void gather_rows(Queue&, const Tensor& x, const IndexList& rows, Tensor out) override;
  void join_columns(Queue&, const Tensor& parts, Tensor out) override;
  void sample(Queue&, const Tensor& logits, std::span<const SamplingRow> how,
              std::vector<SampledToken>& out) override;

 private:
  Ops& device_;
  std::unique_ptr<Queue> queue_;
  CpuOps host_;
};

}  // namespace troupe::kernels
