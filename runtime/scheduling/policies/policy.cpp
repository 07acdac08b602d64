#include "runtime/scheduling/policies/policy.hpp"

#include "runtime/base/error.hpp"
#include "runtime/base/hex.hpp"
#include "runtime/scheduling/policies/policy_registry.hpp"

namespace troupe::runtime {
namespace {

std::string to_string(const PolicyInterface& interface) {
  return std::to_string(interface.version) + "." + hex(std::as_bytes(std::span(&interface.layout, 1)));
}

// What a policy of somebody else's may do here is contained.
std::unique_ptr<BatchPolicy> make(std::string_view name, PolicyOptions& options) try {
  const auto& makers = PolicyRegistry::get().makers;
  const auto found = makers.find(name);
  if (found == makers.end()) {
    std::string known;
    for (const std::string& each : policy_names()) known += " " + each;
    throw Error("unknown batch policy '" + std::string(name) + "'", "", "known:" + known);
  }
  auto policy = found->second(options);
  options.check_all_read();
  if (!policy) throw Error("batch policy '" + std::string(name) + "' makes none", "");
  return policy;
} catch (const Error&) {
  throw;
} catch (const std::exception& error) {
  throw Error("batch policy '" + std::string(name) + "' cannot be made: " + error.what(), "");
} catch (...) {
  throw Error("batch policy '" + std::string(name) + "' cannot be made", "");
}

}  // namespace

PolicyRegistry& PolicyRegistry::get() {
  static PolicyRegistry registry;
  return registry;
}

bool register_policy(std::string_view name, PolicyMaker make, PolicyInterface built_for) {
  auto& [makers, loading] = PolicyRegistry::get();
  const std::string policy = "policy '" + std::string(name) + "'";
  std::string refusal;
  if (built_for != policy_interface())
    refusal = policy + " was built for another version, with interface " + to_string(built_for) +
              "; this program's is " + to_string(policy_interface());
  else if (!makers.emplace(name, std::move(make)).second)
    refusal = policy + " is there already";
  const bool taken = refusal.empty();
  CHECK(taken || loading, refusal);
  if (!taken)
    loading->refusals.push_back(std::move(refusal));
  else if (loading)
    loading->names.emplace_back(name);
  return taken;
}

std::unique_ptr<BatchPolicy> make_policy(std::string_view name, const std::vector<std::string>& options,
                                         std::string_view where) {
  PolicyOptions read(name, options, where);
  return make(name, read);
}

std::vector<PolicyOption> options_in_force(const PolicyChoice& policy, std::string_view where) {
  PolicyOptions read(policy.name, policy.options, where);
  make(policy.name, read);
  return read.in_force();
}

std::vector<std::string> policy_names() {
  std::vector<std::string> names;
  for (const auto& [name, make] : PolicyRegistry::get().makers) names.push_back(name);
  return names;
}

}  // namespace troupe::runtime
