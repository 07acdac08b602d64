// Which of a rank's weights stay in the host's memory, where the device reads them over its bus: --cpu-offload-gb. Plain
// value; any thread.
//
// The budget is spent on what a step reads least of: of the embedding it reads the rows of its tokens, of a layer's routed
// experts those that its tokens chose, and of all the rest everything. So the embedding comes first, then routed experts,
// then feed-forward layers, attention and the head; of each kind those of the last layers first. What is too large for what is
// left of the budget is passed over for what is not. Norms, biases and routers stay on the device: they are small.
#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>

namespace troupe::model {

// In the order in which they leave the device.
enum class WeightUse : std::uint8_t { embedding, routed_expert, feed_forward, attention, head };

// What goes together.
struct WeightUnit {
  WeightUse use = WeightUse::embedding;
  std::int64_t layer = 0;
  std::int64_t expert = 0;  // a routed one's id

  std::strong_ordering operator<=>(const WeightUnit& other) const {
    if (const auto order = use <=> other.use; order != 0) return order;
    if (const auto order = other.layer <=> layer; order != 0) return order;
    return expert <=> other.expert;
  }
  bool operator==(const WeightUnit&) const = default;
};

class Offload {
 public:
  // A unit of this rank as it is without any placement of experts by hand. bytes: of its memory.
  void count(const WeightUnit& unit, std::size_t bytes) { units_[unit].bytes += bytes; }
  // Among all that was counted, of so many bytes at most.
  void choose(std::size_t budget);

  // Also of an expert that was not counted, since it was placed here later: it is where all others of its layer are, so
  // that the answer is the same in every life of the rank.
  bool on_host(const WeightUnit& unit) const;
  bool any() const { return any_; }

 private:
  struct Choice {
    std::size_t bytes = 0;
    bool on_host = false;
  };
  std::map<WeightUnit, Choice> units_;
  bool any_ = false;
};

}  // namespace troupe::model
