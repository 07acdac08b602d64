#include "launch/required_manifest.hpp"

#include "launch/pull/manifest.hpp"
#include "runtime/base/clock.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/thread_pool.hpp"

namespace troupe::launch {

void verify_if_required(const config::Settings& settings, const std::filesystem::path& checkpoint) {
  if (!settings.require_manifest) return;
  const TimePoint begin = now();
  const auto folder = pull::folder_of(checkpoint);
  const pull::Verified verified =
      pull::verify_manifest(folder, usable_cpus(), [](std::uint64_t, std::uint64_t) {});
  log_event(LogLevel::info, "manifest_verified",
            {{"folder", folder.string()},
             {"files", verified.files},
             {"bytes", verified.bytes},
             {"milliseconds", milliseconds(now() - begin)}});
}

}  // namespace troupe::launch
