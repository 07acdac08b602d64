// The operations on a CPU, by Highway on AVX2 or AVX-512, with the same bytes on both and for any number of
// threads. A call computes before it returns. One thread at a time may call.
#pragma once

#include "kernels/ops.hpp"
#include "runtime/base/thread_pool.hpp"

namespace troupe::kernels {

class CpuOps final : public Ops {
 public:
  // threads: the caller and threads - 1 more. ticks, if not null, outlives it: each piece of work, which
  // takes a few milliseconds at most, ticks there. Throws Error on a CPU without the instructions.
  explicit CpuOps(int threads, TickBoard* ticks = nullptr);

  std::string_view arithmetic() const override { return "f32k128"; }
  std::unique_ptr<Queue> make_queue() override { return std::make_unique<ImmediateQueue>(); }
  DeviceMemory memory() const override;
  std::shared_ptr<void> allocate(std::size_t bytes) override;
  LastingMemory allocate_lasting(std::size_t bytes) override;
  bool seal(const LastingMemory&) override;
  std::shared_ptr<void> adopt(FileDescriptor file, std::size_t bytes) override;
  std::byte* host_address(void* memory) const override { return static_cast<std::byte*>(memory); }
  void upload(void* to, std::span<const std::byte> from) override;
  void read(Queue&, const Tensor& x, std::span<std::byte> to) override;
  void fill(Queue&, Tensor x, float value) override;

  void embed(Queue&, const IndexList& tokens, const Weight& table, TokenId first_token, Tensor out) override;
  void rms_norm(Queue&, const Tensor& x, const Tensor& weight, float epsilon, Tensor out) override;
  void layer_norm(Queue&, const Tensor& x, const Tensor& weight, const Tensor& bias, float epsilon,
                  Tensor out) override;
  void linear(Queue&, const Tensor& x, const Weight& w, Tensor out) override;
  void project(Queue&, const Tensor& x, std::span<const Projection> projections) override;
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
  // task(begin, end) over rows that hold about `elements` elements each; inline when they are few.
  template <class Task>
  void each_row(std::int64_t rows, std::int64_t elements, Task&& task) {
    constexpr std::int64_t worth_a_thread = 1 << 16;  // elements that outweigh handing them over
    pool_.parallel_for(rows, 1 + worth_a_thread / (elements + 1), task);
  }

  ThreadPool pool_;
};

std::unique_ptr<Ops> make_cpu_ops(int threads, TickBoard* ticks = nullptr);

}  // namespace troupe::kernels
