// Names that nobody can guess. Any thread.
#pragma once

#include <string>

namespace troupe {

// 32 hexadecimal digits of the system's random bytes.
std::string random_id();

}  // namespace troupe
