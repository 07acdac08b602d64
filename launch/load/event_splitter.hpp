// Server-sent events out of bytes that come in pieces, split anywhere. One owner.
#pragma once

#include <string>
#include <string_view>

#include "runtime/base/error.hpp"

namespace troupe::launch::load {

class EventSplitter {
 public:
  static constexpr std::size_t max_line_bytes = 8 << 20;

  // Calls take(data) for the data of each "data:" line that is whole by now; other lines are passed over.
  // Throws Error when a line has no end.
  template <class Take>
  void feed(std::string_view bytes, Take take) {
    while (!bytes.empty()) {
      const auto end = bytes.find('\n');
      if (end == bytes.npos) {
        begun_ += bytes;
        if (begun_.size() > max_line_bytes)
          throw Error("a line of the event stream has no end", "the answer");
        return;
      }
      if (begun_.empty()) {
        line(bytes.substr(0, end), take);
      } else {
        begun_ += bytes.substr(0, end);
        line(begun_, take);
        begun_.clear();
      }
      bytes.remove_prefix(end + 1);
    }
  }

 private:
  template <class Take>
  static void line(std::string_view text, Take& take) {
    constexpr std::string_view field = "data:";
    if (!text.starts_with(field)) return;
    text.remove_prefix(field.size());
    if (text.ends_with('\r')) text.remove_suffix(1);
    if (text.starts_with(' ')) text.remove_prefix(1);
    take(text);
  }

  std::string begun_;  // of a line
};

}  // namespace troupe::launch::load
