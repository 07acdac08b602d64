// Where the configs of published models are, for tests.
#pragma once

#include <filesystem>

namespace troupe::launch::sizing {

inline const std::filesystem::path published_folder = SOURCE_DIR "/launch/sizing/published";

}  // namespace troupe::launch::sizing
