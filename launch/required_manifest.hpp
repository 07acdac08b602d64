// What --require-manifest asks for, before a checkpoint is opened. Main thread.
#pragma once

#include <filesystem>

#include "config/settings.hpp"

namespace troupe::launch {

// Nothing, unless the settings require it. Reads all files of the checkpoint's folder; throws Error that names those that are not
// as MANIFEST.sha256 has them.
void verify_if_required(const config::Settings& settings, const std::filesystem::path& checkpoint);

}  // namespace troupe::launch
