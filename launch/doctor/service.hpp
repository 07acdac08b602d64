// What a running server says of itself. Plain values; asking belongs to the calling thread.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "launch/load/asker.hpp"
#include "launch/load/scraped_metrics.hpp"

namespace troupe::launch::doctor {

struct Service {
  unsigned health_status = 0;  // of /health
  std::string health{};  // its word: "ok", "starting", "draining", "stalled" or "failed"; empty: it has none
  std::string no_metrics{};  // why there are none; empty: there are
  load::ScrapedMetrics metrics{}, earlier{};
  double seconds = 0;  // between the two; 0: they are one
  // Of /v1/replica, /server_info and /version; null: not told.
  nlohmann::ordered_json replica{}, info{}, version{};

  // Whether it is a server of this program, and no stranger's.
  bool is_own() const { return metrics.has("troupe_epoch") || replica.is_object() || !health.empty(); }
  double grown(std::string_view name, const load::ScrapedMetrics::Labels& labels = {}) const {
    return metrics.sum(name, labels) - earlier.sum(name, labels);
  }
};

// interval: between two looks at its metrics; zero: one look. Throws Error where nobody answers.
Service ask_service(load::Asker& asker, Duration interval);

}  // namespace troupe::launch::doctor
