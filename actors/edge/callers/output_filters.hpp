// The filters of --output-filters, ready to use, and whose answers go through which. Unchanging; any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "config/output_filters.hpp"
#include "runtime/generation/pattern_filter.hpp"

namespace troupe::actors::edge {

class OutputFilters {
 public:
  OutputFilters() = default;
  // Throws UsageError that names the place of a pattern that is none.
  explicit OutputFilters(const std::vector<config::OutputFilterSettings>& filters);

  bool has(std::string_view name) const;
  std::size_t size() const { return filters_.size(); }
  // Those for everyone, then those of the names, which are there, each once. Null: none.
  std::shared_ptr<const runtime::OutputFilter> of(const std::vector<std::string>& names) const;

 private:
  struct Filter {
    std::string name;
    bool everyone = false;
    runtime::PatternFilter::Rules rules;
  };
  const Filter* find(std::string_view name) const;

  std::vector<Filter> filters_;
};

// Of no filter: empty.
std::string digest_of(const runtime::OutputFilter* filter);

}  // namespace troupe::actors::edge
