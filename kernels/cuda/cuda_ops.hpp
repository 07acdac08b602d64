// The operations on a GPU, by one thread for each chain of additions: the CPU's very bytes. A call enqueues and
// returns. One thread at a time may call; its queues are CudaQueues of the same GPU.
//
// Files have the names that the CPU's have: norm.cpp checks shapes and launches, norm.cu is the kernel, norm.hpp says
// what it is given.
#pragma once

#include "kernels/cuda/cuda_queue.hpp"
#include "kernels/cuda/host_memory.hpp"
#include "kernels/cuda/lasting_memory.hpp"
#include "kernels/cuda/step.hpp"
#include "kernels/ops.hpp"

namespace troupe::kernels::cuda {

class CudaOps final : public Ops {
 public:
  // ticks: say what the GPU is at while a queue waits for it; may be null, outlives the queues.
  explicit CudaOps(std::shared_ptr<Gpu> gpu, TickBoard* ticks = nullptr)
      : gpu_(std::move(gpu)), ticks_(ticks) {}

  const std::shared_ptr<Gpu>& gpu() const { return gpu_; }

  std::string_view arithmetic() const override { return "f32k128"; }
  std::unique_ptr<Queue> make_queue() override { return std::make_unique<CudaQueue>(gpu_, ticks_); }
  DeviceMemory memory() const override { return gpu_->memory(); }
  std::shared_ptr<void> allocate(std::size_t bytes) override { return gpu_->allocate(bytes); }
  LastingMemory allocate_lasting(std::size_t bytes) override { return take_lasting(gpu_, bytes); }
  LastingMemory allocate_on_host(std::size_t bytes) override { return take_on_host(gpu_, bytes, ticks_); }
  bool seal(const LastingMemory& memory) override {
    return gpu_->host_address(memory.memory.get()) ? seal_on_host(memory)
                                                   : kernels::cuda::seal(*gpu_, memory);
  }
  std::shared_ptr<void> adopt(FileDescriptor file, std::size_t bytes) override {
    return kernels::cuda::adopt(gpu_, file, bytes);
  }
  std::shared_ptr<void> adopt_on_host(FileDescriptor file, std::size_t bytes) override {
    return kernels::cuda::adopt_on_host(gpu_, file, bytes, ticks_);
  }
  std::byte* host_address(void* memory) const override { return gpu_->host_address(memory); }
  void upload(void* to, std::span<const std::byte> from) override;
  void read(Queue&, const Tensor& x, std::span<std::byte> to) override;
  void fill(Queue&, Tensor x, float value) override;
  void stage(Queue&, StepLayout& layout, std::span<IndexList* const> lists) override;

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
  std::shared_ptr<const void> expert_table(const ExpertWeights& local) override;
  void list_visits(Queue&, const Routing& routing, ExpertBatch& out) override;
  void experts(Queue&, const ExpertBatch& batch, const ExpertWeights& local, Tensor out) override;
  void weighted_sum(Queue&, const Tensor& rows, const Routing& routing, Tensor out) override;
  void copy(Queue&, const Tensor& x, Tensor out) override;
  void gather_rows(Queue&, const Tensor& x, const IndexList& rows, Tensor out) override;
  void join_columns(Queue&, const Tensor& parts, Tensor out) override;
  void sample(Queue&, const Tensor& logits, std::span<const SamplingRow> how,
              std::vector<SampledToken>& out) override;

 private:
  static CudaQueue& stream_of(Queue& queue) { return CudaQueue::of(queue); }
  // What stage made of them.
  static const StagedStep& staged(const StepLayout& layout);
  static const std::int32_t* staged(const IndexList& list);
  // Of q to the keys and values that columns tell of, at all positions or, if not null, at the selected ones.
  void attend(Queue& queue, const Tensor& q, const LayerCache& cache, const EntryColumns& columns,
              const StepLayout& layout, float scale, const Tensor& out, const Tensor* selected = nullptr);
  // The layout's blocks cover its positions and are the cache's.
  static void check_blocks(const StepLayout& layout, const LayerCache& cache);

  std::shared_ptr<Gpu> gpu_;
  TickBoard* ticks_;
  StagedStep step_;    // that layouts refer to
  StagedBytes lists_;  // where its lists are
};

}  // namespace troupe::kernels::cuda
