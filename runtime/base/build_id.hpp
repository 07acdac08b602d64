// Which build of the program this process runs. Any thread.
#pragma once

#include <string>

namespace troupe {

// The beginning of the SHA-256 of the program's file, in hexadecimal. Computed once. Throws Error.
const std::string& build_id();

}  // namespace troupe
