// A short name for bytes. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace troupe {

// The beginning of their SHA-256, 16 hexadecimal digits.
std::string digest(std::string_view bytes);

}  // namespace troupe
