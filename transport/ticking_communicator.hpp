// A communicator that says on a TickBoard when its rank is in a collective, so that a rank that waits for
// others is told from one that hangs. What the wrapped one throws becomes a PeerError. Belongs to the compute
// thread, as the one it wraps.
#pragma once

#include <memory>

#include "runtime/base/ticks.hpp"
#include "transport/communicator.hpp"

namespace troupe::transport {

class TickingCommunicator final : public Communicator {
 public:
  // board outlives it.
  TickingCommunicator(std::unique_ptr<Communicator> inner, TickBoard& board)
      : inner_(std::move(inner)), board_(board) {}

  int rank() const override { return inner_->rank(); }
  int size() const override { return inner_->size(); }
  void all_reduce(kernels::Queue& queue, kernels::Tensor x) override;
  void all_gather(kernels::Queue& queue, const kernels::Tensor& mine, kernels::Tensor all) override;
  void dispatch(kernels::Queue& queue, const kernels::Tensor& tokens, const kernels::Routing& routing,
                const ExpertPlacement& placement, kernels::ExpertBatch& out) override;
  void combine(kernels::Queue& queue, const kernels::Tensor& results, kernels::Tensor out) override;
  void check() override;
  void abort() noexcept override { inner_->abort(); }

 private:
  const std::unique_ptr<Communicator> inner_;
  TickBoard& board_;
};

}  // namespace troupe::transport
