#include "actors/edge/callers/output_filters.hpp"

#include <algorithm>
#include <stdexcept>

#include "config/setting.hpp"

namespace troupe::actors::edge {
namespace {

runtime::FilterPattern compiled(const config::OutputRule& rule) {
  try {
    return runtime::FilterPattern(rule.pattern);
  } catch (const std::invalid_argument& why) {
    throw config::UsageError(why.what(), rule.place, "write it as PCRE2 has it");
  }
}

}  // namespace

OutputFilters::OutputFilters(const std::vector<config::OutputFilterSettings>& filters) {
  for (const config::OutputFilterSettings& each : filters) {
    Filter& filter = filters_.emplace_back(Filter{each.name, each.everyone, {}});
    for (const config::OutputRule& rule : each.rules)
      filter.rules.push_back(std::make_shared<const runtime::FilterRule>(
          runtime::FilterRule{.filter = each.name,
                              .source = rule.pattern,
                              .pattern = compiled(rule),
                              .masks = rule.masks,
                              .replacement = rule.replacement,
                              .hold_back = std::size_t(rule.hold_back)}));
  }
}

const OutputFilters::Filter* OutputFilters::find(std::string_view name) const {
  const auto found = std::ranges::find(filters_, name, &Filter::name);
  return found == filters_.end() ? nullptr : &*found;
}

bool OutputFilters::has(std::string_view name) const {
  return find(name) != nullptr;
}

std::shared_ptr<const runtime::OutputFilter> OutputFilters::of(const std::vector<std::string>& names) const {
  std::vector<const Filter*> all;
  for (const Filter& each : filters_)
    if (each.everyone) all.push_back(&each);
  for (const std::string& name : names) {
    const Filter* const filter = find(name);
    CHECK(filter != nullptr, "a filter that a caller names is there");
    if (std::ranges::find(all, filter) == all.end()) all.push_back(filter);
  }
  if (all.empty()) return nullptr;
  runtime::PatternFilter::Rules rules;
  for (const Filter* each : all) rules.insert(rules.end(), each->rules.begin(), each->rules.end());
  return std::make_shared<const runtime::PatternFilter>(std::move(rules));
}

std::string digest_of(const runtime::OutputFilter* filter) {
  return filter ? filter->digest() : "";
}

}  // namespace troupe::actors::edge
