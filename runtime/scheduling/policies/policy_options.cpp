#include "runtime/scheduling/policies/policy_options.hpp"

#include <algorithm>
#include <charconv>
#include <sstream>

#include "runtime/base/error.hpp"

namespace troupe::runtime {
namespace {

template <class T>
bool parse(const std::string& text, T& value, T low, T high) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value >= low && value <= high;
}

template <class T>
std::string interval(const char* kind, T low, T high) {
  std::ostringstream out;
  out << kind << " from " << low << " to " << high;
  return out.str();
}

}  // namespace

PolicyOptions::PolicyOptions(std::string_view policy, const std::vector<std::string>& texts,
                             std::string_view where)
    : policy_(policy), where_(where) {
  for (const std::string& text : texts) {
    const auto sign = text.find('=');
    if (sign == 0 || sign == std::string::npos) throw Error("'" + text + "' is no KEY=VALUE", where_);
    if (!given_.emplace(text.substr(0, sign), text.substr(sign + 1)).second)
      throw Error("'" + text.substr(0, sign) + "' is given twice", where_);
  }
}

const std::string* PolicyOptions::find(std::string_view key) const {
  const auto found = given_.find(key);
  return found == given_.end() ? nullptr : &found->second;
}

template <class T>
T PolicyOptions::keep(std::string_view key, T value) {
  known_.push_back({std::string(key), value});
  return value;
}

void PolicyOptions::refuse(std::string_view key, const std::string& wanted) const {
  throw Error(
      std::string(key) + " of policy " + policy_ + " must be " + wanted + ", got '" + *find(key) + "'",
      where_);
}

double PolicyOptions::number(std::string_view key, double unset, double low, double high) {
  const std::string* text = find(key);
  if (text && !parse(*text, unset, low, high)) refuse(key, interval("a number", low, high));
  return keep(key, unset);
}

std::int64_t PolicyOptions::whole(std::string_view key, std::int64_t unset, std::int64_t low,
                                  std::int64_t high) {
  const std::string* text = find(key);
  if (text && !parse(*text, unset, low, high)) refuse(key, interval("a whole number", low, high));
  return keep(key, unset);
}

std::string PolicyOptions::choice(std::string_view key, const std::vector<std::string>& known) {
  const std::string* text = find(key);
  if (!text) return keep(key, known.front());
  if (std::ranges::count(known, *text)) return keep(key, *text);
  std::string words;
  for (const std::string& each : known) words += (words.empty() ? "" : ", ") + each;
  refuse(key, "one of " + words);
}

void PolicyOptions::check_all_read() const {
  std::string known;
  for (const PolicyOption& each : known_) known += " " + each.key;
  for (const auto& [key, value] : given_)
    if (!std::ranges::count(known_, key, &PolicyOption::key))
      throw Error("policy " + policy_ + " has no option '" + key + "'", where_,
                  known.empty() ? "it has none" : "known:" + known);
}

}  // namespace troupe::runtime
