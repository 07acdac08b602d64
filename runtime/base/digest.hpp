// Names for bytes. Any thread.
#pragma once

#include <string>
#include <string_view>

namespace troupe {

std::string sha256_hex(std::string_view bytes);  // 64 hexadecimal digits, small letters

// A short one: their beginning, 16 digits.
std::string digest(std::string_view bytes);

}  // namespace troupe
