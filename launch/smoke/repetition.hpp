// A text that has fallen into a loop. Any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace troupe::launch::smoke {

struct Repetition {
  std::size_t bytes = 0;  // of what is repeated
  std::size_t times = 0;  // whole ones
};

// So often, and so many bytes together: less may be meant, as in "no, no, no".
constexpr std::size_t least_repetitions = 5, least_repeated_bytes = 40;

// The shortest piece of which the text's end, but for white space, consists; it may be cut off within one.
std::optional<Repetition> repeated_end(std::string_view text);

}  // namespace troupe::launch::smoke
