// Flags of vLLM's command line that are no settings here, so that its recipes start this server unchanged: those that
// change nothing are taken and told, those that would change answers are refused by name. The main thread.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::config {

struct FlagWithoutEffect {
  std::string flag;      // as it was given: "--dtype auto"
  std::string_view why;  // nothing changes
};

struct VllmRecipe {
  std::vector<std::string> arguments;  // without vLLM's own
  std::vector<FlagWithoutEffect> without_effect;
};

// arguments: those behind the subcommand's name. Throws UsageError for a flag, or a value of one, that would change
// what clients get and is not served.
VllmRecipe read_vllm_recipe(std::span<const std::string> arguments);

}  // namespace troupe::config
