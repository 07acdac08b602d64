// The keys that a GGUF file says config.json in: the other way round of gguf_config. Pure; any thread.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "model/gguf/gguf_writer.hpp"

namespace troupe::model {

// name: of the model. Throws Error, with `where`, for an architecture that the format has not, or a field that none of its
// keys says.
GgufKeys gguf_keys(const nlohmann::json& config, std::string_view name, std::string_view where);

}  // namespace troupe::model
