#include "model/output/hermes_calls.hpp"

#include <array>

namespace troupe::model {

using Verdict = JsonCall::Verdict;

// Within a string of a call the tag is text of it.
std::span<const Marker> HermesCalls::markers() const {
  static constexpr std::array all{Marker{closing, 0}};
  return std::span(all).first(call_.in_string() ? 0 : 1);
}

// It is no call.
void HermesCalls::release() {
  if (!std::exchange(released_, true)) content_ += opened_by_ + call_.seen();
}

// Behind a call nothing is told. Where it ends within a string, as no call, the tag may stand in what is left.
std::size_t HermesCalls::text(std::string_view text, ToolCallWriter& calls) {
  if (call_.verdict() == Verdict::open || call_.verdict() == Verdict::called) {
    const std::size_t taken = call_.read(text, calls);
    if (call_.verdict() == Verdict::none) release();
    return taken;
  }
  if (call_.verdict() == Verdict::none) content_ += text;
  return text.size();
}

void HermesCalls::marker(const Marker& marker, ToolCallWriter& calls) {
  over_ = true;
  if (call_.verdict() == Verdict::called) calls.end();
  if (call_.verdict() == Verdict::called || call_.verdict() == Verdict::over) return;
  release();
  content_ += marker.text;
}

void HermesCalls::finish(bool cut_off) {
  if (call_.verdict() == Verdict::open && !cut_off) release();
}

}  // namespace troupe::model
