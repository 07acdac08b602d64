#include "tests/kernels/mirrored_ops.hpp"

#include <algorithm>
#include <map>

#include "kernels/panels.hpp"

namespace troupe::kernels {
namespace {

// The memory of one call on the device. Tensors that begin at one address are one, as for a call in place.
class Mirror {
 public:
  Mirror(Ops& device, Queue& queue) : device_(device), queue_(queue) {}

  Tensor in(const Tensor& x) { return x.at(twin_of(x.raw(), x.bytes()).device.get()); }
  Tensor out(const Tensor& x) {
    Twin& twin = twin_of(x.raw(), x.bytes());
    twin.written = true;
    return x.at(twin.device.get());
  }
  Weight in(const Weight& w) {
    if (w.rows == 0) return w;
    Weight result = w;
    result.data = twin_of(w.data, bytes_of(w)).device.get();
    const std::int64_t scales = ((w.row0 + w.rows - 1) / w.block_rows + 1) * w.scale_stride;
    if (w.scales != nullptr) result.scales = in(w.scales, scales);
    if (w.order != nullptr)
      result.order = static_cast<const std::int32_t*>(
          twin_of(w.order, std::size_t(w.cols) * sizeof(std::int32_t)).device.get());
    return result;
  }
  const float* in(const float* numbers, std::int64_t n) {
    if (numbers == nullptr) return nullptr;
    return static_cast<const float*>(twin_of(numbers, std::size_t(n) * sizeof(float)).device.get());
  }
  // As the device has them once a step is staged.
  StepLayout stage(StepLayout layout, std::span<IndexList* const> lists = {}) {
    device_.stage(queue_, layout, lists);
    return layout;
  }
  IndexList stage(IndexList list) {
    IndexList* const lists[] = {&list};
    stage(StepLayout{}, lists);
    return list;
  }

  // What was written is the host's again.
  void finish() {
    for (auto& [host, twin] : twins_)
      if (twin.written)
        device_.read(queue_, Tensor(twin.device.get(), DType::f8_e4m3, {std::int64_t(twin.bytes)}),
                     {static_cast<std::byte*>(const_cast<void*>(host)), twin.bytes});
    queue_.wait(TimePoint::max());
  }

 private:
  struct Twin {
    std::shared_ptr<void> device;
    std::size_t bytes = 0;
    bool written = false;
  };

  Twin& twin_of(const void* host, std::size_t bytes) {
    Twin& twin = twins_[host];
    if (!twin.device) {
      twin = {device_.allocate(bytes), bytes};
      device_.upload(twin.device.get(), {static_cast<const std::byte*>(host), bytes});
    }
    CHECK(twin.bytes >= bytes, "a tensor that begins where a smaller one does");
    return twin;
  }
  Ops& device_;
  Queue& queue_;
  std::map<const void*, Twin> twins_;
};

}  // namespace

void MirroredOps::fill(Queue&, Tensor x, float value) {
  Mirror mirror(device_, *queue_);
  device_.fill(*queue_, mirror.out(x), value);
  mirror.finish();
}

void MirroredOps::embed(Queue&, const IndexList& tokens, const Weight& table, TokenId first_token,
                        Tensor out) {
  Mirror mirror(device_, *queue_);
  device_.embed(*queue_, mirror.stage(tokens), mirror.in(table), first_token, mirror.out(out));
  mirror.finish();
}

void MirroredOps::rms_norm(Queue&, const Tensor& x, const Tensor& weight, float epsilon, Tensor out) {
  Mirror mirror(device_, *queue_);
  device_.rms_norm(*queue_, mirror.in(x), mirror.in(weight), epsilon, mirror.out(out));
  mirror.finish();
}

void MirroredOps::layer_norm(Queue&, const Tensor& x, const Tensor& weight, const Tensor& bias, float epsilon,
                             Tensor out) {
  Mirror mirror(device_, *queue_);
  device_.layer_norm(*queue_, mirror.in(x), mirror.in(weight), mirror.in(bias), epsilon, mirror.out(out));
  mirror.finish();
}

void MirroredOps::linear(Queue&, const Tensor& x, const Weight& w, Tensor out) {
  Mirror mirror(device_, *queue_);
  device_.linear(*queue_, mirror.in(x), mirror.in(w), mirror.out(out));
  mirror.finish();
}

void MirroredOps::linear_sharded(Queue&, const Tensor& x, const Weight& w, const VirtualShards& shards,
                                 Tensor out) {
  Mirror mirror(device_, *queue_);
  device_.linear_sharded(*queue_, mirror.in(x), mirror.in(w), shards, mirror.out(out));
  mirror.finish();
}

void MirroredOps::head_linear(Queue&, const Tensor& x, std::span<const Weight> heads, Tensor out) {
  Mirror mirror(device_, *queue_);
  std::vector<Weight> weights;
  for (const Weight& w : heads) weights.push_back(mirror.in(w));
  device_.head_linear(*queue_, mirror.in(x), weights, mirror.out(out));
  mirror.finish();
}

void MirroredOps::rope(Queue&, const Tensor& x, const RopeTable& table, const StepLayout& layout,
                       RopeForm form, Tensor out) {
  Mirror mirror(device_, *queue_);
  device_.rope(*queue_, mirror.in(x), {mirror.in(table.cos), mirror.in(table.sin)}, mirror.stage(layout),
               form, mirror.out(out));
  mirror.finish();
}

void MirroredOps::store_entries(Queue&, const Tensor& first, const Tensor& second, const StepLayout& layout,
                                const LayerCache& cache) {
  Mirror mirror(device_, *queue_);
  device_.store_entries(*queue_, mirror.in(first), mirror.in(second), mirror.stage(layout),
                        {mirror.out(cache.data), cache.form});
  mirror.finish();
}

void MirroredOps::mla_attention(Queue&, const Tensor& q, const LayerCache& cache, const StepLayout& layout,
                                float scale, Tensor out) {
  Mirror mirror(device_, *queue_);
  device_.mla_attention(*queue_, mirror.in(q), {mirror.in(cache.data), cache.form}, mirror.stage(layout),
                        scale, mirror.out(out));
  mirror.finish();
}

void MirroredOps::select_keys(Queue&, const Tensor& q, const Tensor& weights, const LayerCache& keys,
                              const StepLayout& layout, Tensor scores, Tensor out) {
  Mirror mirror(device_, *queue_);
  device_.select_keys(*queue_, mirror.in(q), mirror.in(weights), {mirror.in(keys.data), keys.form},
                      mirror.stage(layout), mirror.out(scores), mirror.out(out));
  mirror.finish();
}

void MirroredOps::sparse_mla_attention(Queue&, const Tensor& q, const LayerCache& cache,
                                       const Tensor& selected, const StepLayout& layout, float scale,
                                       Tensor out) {
  Mirror mirror(device_, *queue_);
  device_.sparse_mla_attention(*queue_, mirror.in(q), {mirror.in(cache.data), cache.form},
                               mirror.in(selected), mirror.stage(layout), scale, mirror.out(out));
  mirror.finish();
}

void MirroredOps::gqa_attention(Queue&, const Tensor& q, const LayerCache& cache, std::int64_t key_heads,
                                const StepLayout& layout, float scale, Tensor out) {
  Mirror mirror(device_, *queue_);
  device_.gqa_attention(*queue_, mirror.in(q), {mirror.in(cache.data), cache.form}, key_heads,
                        mirror.stage(layout), scale, mirror.out(out));
  mirror.finish();
}

void MirroredOps::silu_mul(Queue&, Tensor gate, const Tensor& up) {
  Mirror mirror(device_, *queue_);
  device_.silu_mul(*queue_, mirror.out(gate), mirror.in(up));
  mirror.finish();
}

void MirroredOps::add(Queue&, Tensor x, const Tensor& y) {
  Mirror mirror(device_, *queue_);
  device_.add(*queue_, mirror.out(x), mirror.in(y));
  mirror.finish();
}

void MirroredOps::add_row(Queue&, Tensor x, const Tensor& row) {
  Mirror mirror(device_, *queue_);
  device_.add_row(*queue_, mirror.out(x), mirror.in(row));
  mirror.finish();
}

void MirroredOps::route(Queue&, const Tensor& logits, const RoutingRule& rule, Routing& out) {
  Mirror mirror(device_, *queue_);
  RoutingRule there = rule;
  there.bias = mirror.in(rule.bias, rule.experts);
  Routing result{mirror.out(out.experts), mirror.out(out.weights)};
  device_.route(*queue_, mirror.in(logits), there, result);
  mirror.finish();
}

void MirroredOps::count_experts(Queue&, const Routing& routing, Tensor load) {
  Mirror mirror(device_, *queue_);
  device_.count_experts(*queue_, {mirror.in(routing.experts), {}}, mirror.out(load));
  mirror.finish();
}

void MirroredOps::list_visits(Queue&, const Routing& routing, ExpertBatch& out) {
  Mirror mirror(device_, *queue_);
  ExpertBatch batch{mirror.in(out.rows), mirror.out(out.visit_rows), mirror.out(out.visit_experts),
                    mirror.out(out.counts)};
  device_.list_visits(*queue_, {mirror.in(routing.experts), {}}, batch);
  mirror.finish();
}

void MirroredOps::experts(Queue&, const ExpertBatch& batch, const ExpertWeights& local, Tensor out) {
  Mirror mirror(device_, *queue_);
  std::vector<Expert> experts;
  for (const Expert& e : local.experts)
    experts.push_back({mirror.in(e.gate), mirror.in(e.up), mirror.in(e.down)});
  ExpertWeights there = local;
  there.experts = experts;
  const auto table = device_.expert_table(there);
  there.table = table.get();
  device_.experts(*queue_,
                  {mirror.in(batch.rows), mirror.in(batch.visit_rows), mirror.in(batch.visit_experts),
                   mirror.in(batch.counts)},
                  there, mirror.out(out));
  mirror.finish();
}

void MirroredOps::weighted_sum(Queue&, const Tensor& rows, const Routing& routing, Tensor out) {
  Mirror mirror(device_, *queue_);
  device_.weighted_sum(*queue_, mirror.in(rows), {{}, mirror.in(routing.weights)}, mirror.out(out));
  mirror.finish();
}

void MirroredOps::copy(Queue&, const Tensor& x, Tensor out) {
  Mirror mirror(device_, *queue_);
  device_.copy(*queue_, mirror.in(x), mirror.out(out));
  mirror.finish();
}

void MirroredOps::gather_rows(Queue&, const Tensor& x, const IndexList& rows, Tensor out) {
  Mirror mirror(device_, *queue_);
  device_.gather_rows(*queue_, mirror.in(x), mirror.stage(rows), mirror.out(out));
  mirror.finish();
}

void MirroredOps::join_columns(Queue&, const Tensor& parts, Tensor out) {
  Mirror mirror(device_, *queue_);
  device_.join_columns(*queue_, mirror.in(parts), mirror.out(out));
  mirror.finish();
}

void MirroredOps::sample(Queue&, const Tensor& logits, std::span<const SamplingRow> how,
                         std::vector<SampledToken>& out) {
  Mirror mirror(device_, *queue_);
  device_.sample(*queue_, mirror.in(logits), how, out);
  mirror.finish();
}

}  // namespace troupe::kernels
