// What tells one checkpoint from another without reading its weights. Any thread.
#pragma once

#include <string>

#include "model/checkpoint/checkpoint.hpp"

namespace troupe::model {

// SHA-256, in hexadecimal digits, of config.json and of what the files list: names, types and shapes of the tensors.
// Throws Error when config.json cannot be read.
std::string checkpoint_digest(const Checkpoint& checkpoint);

}  // namespace troupe::model
