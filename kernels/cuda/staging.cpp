#include "kernels/cuda/staging.hpp"

#include <algorithm>
#include <bit>
#include <utility>

namespace troupe::kernels::cuda {

struct StagedBytes::Piece {
  std::shared_ptr<void> host, device;  // device: may be null
  std::size_t bytes = 0;
  Event copied = nullptr;  // the last copy that host takes part in
  bool taken = false;
};

StagedBytes::StagedBytes(std::shared_ptr<Staging> staging, Piece* piece, std::size_t bytes)
    : staging_(std::move(staging)), piece_(piece), bytes_(bytes) {}

StagedBytes& StagedBytes::operator=(StagedBytes&& other) noexcept {
  give_back();
  staging_ = std::move(other.staging_);
  piece_ = std::exchange(other.piece_, nullptr);
  bytes_ = other.bytes_;
  return *this;
}

void StagedBytes::give_back() {
  if (piece_) piece_->taken = false;
  piece_ = nullptr;
}

void* StagedBytes::host() const {
  return piece_->host.get();
}

void* StagedBytes::device() const {
  return piece_->device.get();
}

void StagedBytes::send() {
  enqueued(staging_->gpu_->calls().copy_in(reinterpret_cast<Address>(device()), host(),
                                           std::max<std::size_t>(bytes_, 1), staging_->stream_));
}

void StagedBytes::fetch(const void* from) {
  enqueued(staging_->gpu_->calls().copy_out(host(), reinterpret_cast<Address>(from),
                                            std::max<std::size_t>(bytes_, 1), staging_->stream_));
}

void StagedBytes::enqueued(Result copy) {
  const Gpu& gpu = *staging_->gpu_;
  gpu.require(copy, "copying what the host stages");
  gpu.require(gpu.calls().record_event(piece_->copied, staging_->stream_), "recording an event");
}

Staging::Staging(std::shared_ptr<Gpu> gpu, Stream stream) : gpu_(std::move(gpu)), stream_(stream) {}

Staging::~Staging() {
  gpu_->try_use();
  for (const auto& piece : pieces_) gpu_->calls().destroy_event(piece->copied);
}

// The device's side needs no wait: what is copied there later comes behind all that reads it now.
bool Staging::usable(const StagedBytes::Piece& piece, std::size_t bytes, bool on_both) const {
  return !piece.taken && (piece.device != nullptr) == on_both && piece.bytes >= bytes &&
         gpu_->calls().query_event(piece.copied) == success;
}

StagedBytes Staging::take(std::size_t bytes, bool on_both) {
  constexpr std::size_t least = 64 << 10;
  auto found =
      std::ranges::find_if(pieces_, [&](const auto& piece) { return usable(*piece, bytes, on_both); });
  if (found == pieces_.end()) {
    auto made = std::make_unique<StagedBytes::Piece>();
    made->bytes = std::bit_ceil(std::max(bytes, least));
    made->host = gpu_->allocate_pinned(made->bytes);
    if (on_both) made->device = gpu_->allocate(made->bytes);
    gpu_->require(gpu_->calls().create_event(&made->copied, event_without_times), "making an event");
    found = pieces_.insert(pieces_.end(), std::move(made));
  }
  (*found)->taken = true;
  return {shared_from_this(), found->get(), bytes};
}

}  // namespace troupe::kernels::cuda
