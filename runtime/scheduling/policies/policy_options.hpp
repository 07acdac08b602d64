// A policy's own settings, "KEY=VALUE" each. What a policy reads is what it knows: there is no other list. Plain values; the
// thread that makes the policy.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace troupe::runtime {

using OptionValue = std::variant<std::int64_t, double, std::string>;
struct PolicyOption {
  std::string key;
  OptionValue value;
};

class PolicyOptions {
 public:
  // where: the texts come from, for errors. Throws Error for a text without '=', and for a key that comes twice.
  PolicyOptions(std::string_view policy, const std::vector<std::string>& texts,
                std::string_view where = "--policy-option");

  // The value, or what holds without one. Throw Error for what is no such value.
  double number(std::string_view key, double unset, double low, double high);
  std::int64_t whole(std::string_view key, std::int64_t unset, std::int64_t low, std::int64_t high);
  std::string choice(std::string_view key, const std::vector<std::string>& known);  // the first: without one

  // Throws Error, which lists those that were read, if one was given that was not.
  void check_all_read() const;
  // Those that were read, in that order, with the values that hold.
  const std::vector<PolicyOption>& in_force() const { return known_; }

 private:
  const std::string* find(std::string_view key) const;
  template <class T>
  T keep(std::string_view key, T value);
  [[noreturn]] void refuse(std::string_view key, const std::string& wanted) const;

  std::string policy_, where_;
  std::map<std::string, std::string, std::less<>> given_;
  std::vector<PolicyOption> known_;  // in the order of reading
};

}  // namespace troupe::runtime
