#include "transport/host/device_communicator.hpp"

#include <vector>

namespace troupe::transport {
namespace {

using kernels::ExpertBatch;
using kernels::Queue;
using kernels::Routing;
using kernels::Tensor;

// A tensor's twin on the host, in memory that is used again.
class HostTwin {
 public:
  Tensor like(const Tensor& x) {
    if (memory_.size() < x.bytes()) memory_.resize(x.bytes());
    return x.at(memory_.data());
  }

 private:
  std::vector<std::byte> memory_;
};

class DeviceCommunicator final : public Communicator {
 public:
  DeviceCommunicator(std::unique_ptr<Communicator> host, kernels::Ops& ops)
      : host_(std::move(host)), ops_(ops) {}

  int rank() const override { return host_->rank(); }
  int size() const override { return host_->size(); }
  void check() override { host_->check(); }
  void abort() noexcept override { host_->abort(); }

  void all_reduce(Queue& queue, Tensor x) override {
    const Tensor twin = brought(queue, x, in_);
    host_->all_reduce(queue, twin);
    upload(twin, x);
  }

  void all_gather(Queue& queue, const Tensor& mine, Tensor all) override {
    const Tensor twin = out_.like(all);
    host_->all_gather(queue, brought(queue, mine, in_), twin);
    upload(twin, all);
  }

  void dispatch(Queue& queue, const Tensor& tokens, const Routing& routing, const ExpertPlacement& placement,
                ExpertBatch& out) override {
    const Tensor rows = brought(queue, tokens, in_), experts = brought(queue, routing.experts, choices_);
    ExpertBatch twin{out_.like(out.rows), visit_rows_.like(out.visit_rows),
                     visit_experts_.like(out.visit_experts), Tensor(counts_, kernels::DType::i32, {2})};
    host_->dispatch(queue, rows, {experts, {}}, placement, twin);
    upload(twin.rows.slice(0, counts_[0]), out.rows);
    upload(twin.visit_rows.slice(0, counts_[1]), out.visit_rows);
    upload(twin.visit_experts.slice(0, counts_[1]), out.visit_experts);
    upload(twin.counts, out.counts);
  }

  void combine(Queue& queue, const Tensor& results, Tensor out) override {
    const Tensor twin = out_.like(out);
    host_->combine(queue, brought(queue, results.slice(0, counts_[1]), in_), twin);
    upload(twin, out);
  }

 private:
  Tensor brought(Queue& queue, const Tensor& x, HostTwin& twin) {
    const Tensor there = twin.like(x);
    ops_.read(queue, x, {static_cast<std::byte*>(there.raw()), x.bytes()});
    queue.wait(TimePoint::max());
    return there;
  }
  void upload(const Tensor& from, const Tensor& to) {
    ops_.upload(to.raw(), {static_cast<const std::byte*>(from.raw()), from.bytes()});
  }

  const std::unique_ptr<Communicator> host_;
  kernels::Ops& ops_;
  HostTwin in_, choices_, out_, visit_rows_, visit_experts_;
  std::int32_t counts_[2] = {};  // of the last dispatch: rows, visits
};

}  // namespace

std::unique_ptr<Communicator> device_communicator(std::unique_ptr<Communicator> host, kernels::Ops& ops) {
  if (ops.memory().of_host) return host;
  return std::make_unique<DeviceCommunicator>(std::move(host), ops);
}

}  // namespace troupe::transport
