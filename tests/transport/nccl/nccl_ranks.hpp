// The ranks of an epoch as threads of this process, each with an emulated GPU of its own, over an emulated NCCL.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "kernels/cuda/cuda_ops.hpp"
#include "tests/kernels/cuda/emulated/device.hpp"
#include "tests/transport/conformance.hpp"
#include "tests/transport/memory_store.hpp"
#include "tests/transport/nccl/emulated/nccl.hpp"
#include "transport/nccl/communicator.hpp"
#include "transport/nccl/rendezvous.hpp"

namespace troupe::transport {

// GPUs and NCCL of a host; outlives what uses them, whose last piece may go on a thread of nobody.
class GpuHost {
 public:
  explicit GpuHost(int gpus, const emulated::NcclQuirks& quirks = {})
      : machine({.devices = gpus, .seed = quirks.seed}), nccl(quirks), calls(nccl.calls()) {
    for (int i = 0; i < gpus; ++i) {
      std::shared_ptr<kernels::cuda::Gpu> gpu(new kernels::cuda::Gpu(machine.calls(), machine.images(), i),
                                              [this](const auto* gone) {
                                                delete gone;
                                                --living_;
                                              });
      ++living_;
      ops.push_back(std::make_unique<kernels::cuda::CudaOps>(std::move(gpu)));
    }
  }
  ~GpuHost() {
    ops.clear();
    while (living_ > 0) std::this_thread::yield();
  }

  // The epochs of ranks [0, size), which have met.
  std::vector<std::shared_ptr<NcclEpoch>> meet(int size, const NcclEpochOptions& options = {}) {
    if (size == 1) return {std::make_shared<NcclEpoch>(options, ops[0]->gpu(), nullptr)};
    MemoryStore store;
    std::vector<std::shared_ptr<NcclEpoch>> epochs(std::size_t(size), nullptr);
    std::vector<std::jthread> threads;
    for (int rank = 0; rank < size; ++rank)
      threads.emplace_back([&, rank] {
        NcclOptions own{.epoch = options, .secret = "a secret", .calls = &calls, .connect_timeout = patience};
        own.epoch.rank = rank;
        own.epoch.size = size;
        epochs[std::size_t(rank)] = connect_nccl(own, ops[std::size_t(rank)]->gpu(), store, {}).epoch;
      });
    return threads.clear(), epochs;
  }

  kernels::cuda::emulated::Machine machine;
  emulated::Nccl nccl;
  const NcclCalls calls;
  std::vector<std::unique_ptr<kernels::cuda::CudaOps>> ops;

 private:
  std::atomic<int> living_{0};  // GPUs
};

// A communicator of GPUs for tensors that lie in the host's memory: brings them there, and back when all is done.
class HostedRank final : public Communicator {
 public:
  HostedRank(std::shared_ptr<GpuHost> host, kernels::cuda::CudaOps& ops, std::unique_ptr<Communicator> inner,
             Duration timeout)
      : host_(std::move(host)), ops_(ops), inner_(std::move(inner)), timeout_(timeout) {
    make_queue();
  }
  ~HostedRank() override { inner_->abort(); }

  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  void check() override { inner_->check(); }
  void abort() noexcept override { inner_->abort(); }

  void all_reduce(kernels::Queue&, kernels::Tensor x) override {
    const kernels::Tensor there = brought(x);
    inner_->all_reduce(*queue_, there);
    fetch({{there, x}});
  }
  void all_gather(kernels::Queue&, const kernels::Tensor& mine, kernels::Tensor all) override {
    const kernels::Tensor there = brought(all);
    inner_->all_gather(*queue_, brought(mine), there);
    fetch({{there, all}});
  }
  void dispatch(kernels::Queue&, const kernels::Tensor& tokens, const kernels::Routing& routing,
                const ExpertPlacement& placement, kernels::ExpertBatch& out) override {
    kernels::ExpertBatch there{brought(out.rows), brought(out.visit_rows), brought(out.visit_experts),
                               brought(out.counts)};
    inner_->dispatch(*queue_, brought(tokens), {brought(routing.experts), {}}, placement, there);
    fetch({{there.rows, out.rows},
           {there.visit_rows, out.visit_rows},
           {there.visit_experts, out.visit_experts},
           {there.counts, out.counts}});
  }
  void combine(kernels::Queue&, const kernels::Tensor& results, kernels::Tensor out) override {
    const kernels::Tensor there = brought(out);
    inner_->combine(*queue_, brought(results), there);
    fetch({{there, out}});
  }

 private:
  void make_queue() {
    queue_ = ops_.make_queue();
    queue_->watch([this] { inner_->check(); });
  }
  kernels::Tensor brought(const kernels::Tensor& x) {
    const kernels::Tensor there = x.at(memory_.emplace_back(ops_.allocate(x.bytes())).get());
    ops_.upload(there.raw(), {static_cast<const std::byte*>(x.raw()), x.bytes()});
    return there;
  }
  void fetch(std::initializer_list<std::pair<kernels::Tensor, kernels::Tensor>> tensors) {
    for (const auto& [there, here] : tensors)
      ops_.read(*queue_, there, {static_cast<std::byte*>(here.raw()), here.bytes()});
    try {
      queue_->wait(now() + timeout_);
    } catch (...) {
      inner_->abort();
      make_queue();  // and the old one is done with the host's memory
      throw;
    }
    memory_.clear();
  }

  const std::shared_ptr<GpuHost> host_;
  kernels::cuda::CudaOps& ops_;
  std::vector<std::shared_ptr<void>> memory_;  // of the call that runs
  const std::unique_ptr<Communicator> inner_;
  std::unique_ptr<kernels::Queue> queue_;
  const Duration timeout_;
};

inline Ranks ranks_on(const std::shared_ptr<GpuHost>& host, int ranks, Duration timeout,
                      const NcclEpochOptions& options = {}) {
  const auto epochs = host->meet(ranks, options);
  Ranks communicators;
  for (int rank = 0; rank < ranks; ++rank)
    communicators.push_back(
        std::make_unique<HostedRank>(host, *host->ops[std::size_t(rank)],
                                     nccl_communicator(epochs[std::size_t(rank)], 0, ranks), timeout));
  return communicators;
}

}  // namespace troupe::transport
