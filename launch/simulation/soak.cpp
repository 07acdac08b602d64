#include "launch/simulation/soak.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iomanip>
#include <span>
#include <sstream>

#include "runtime/base/hex.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/thread_pool.hpp"
#include "runtime/lab/content.hpp"

namespace troupe::launch::simulation {
namespace {

using runtime::lab::Tally;

constexpr int column_width = 18;
constexpr std::uint64_t seeds_of_a_batch = 256;  // that a thread lives through before it tells

struct Life {
  const std::string* policy = nullptr;
  std::uint64_t seed = 0;
};
thread_local Life current;

// A CHECK that failed has said what it is.
void name_seed(int) {
  std::fprintf(stderr, "policy %s, seed %llu\n", current.policy->c_str(),
               static_cast<unsigned long long>(current.seed));
  std::_Exit(1);
}

Soaked live_through(const std::string& policy, std::uint64_t first, std::uint64_t seeds) {
  Soaked soaked{.policy = policy, .tally = {}};
  for (std::uint64_t seed = first; seed < first + seeds; ++seed) {
    current = {&policy, seed};
    ++soaked.lives;
    try {
      soaked.schedules =
          runtime::lab::mixed(soaked.schedules + runtime::lab::soak(policy, seed, soaked.tally));
    } catch (const std::exception& error) {
      soaked.broken.push_back({seed, error.what()});
    }
  }
  return soaked;
}

void add(Soaked& sum, const Soaked& batch) {
  sum.lives += batch.lives;
  sum.schedules = runtime::lab::mixed(sum.schedules + batch.schedules);
  sum.tally.add(batch.tally);
  sum.broken.insert(sum.broken.end(), batch.broken.begin(), batch.broken.end());
}

}  // namespace

std::vector<Soaked> soak(const Options& options, const std::vector<std::string>& policies) {
  set_log_level(LogLevel::off);
  std::signal(SIGABRT, name_seed);
  const auto seeds = std::uint64_t(options.soak);
  const std::uint64_t batches = (seeds + seeds_of_a_batch - 1) / seeds_of_a_batch;
  std::vector<Soaked> found(policies.size() * batches);
  ThreadPool pool(options.threads > 0 ? options.threads : usable_cpus());
  pool.parallel_for(std::int64_t(found.size()), 1, [&](std::int64_t begin, std::int64_t) {
    const auto i = std::uint64_t(begin);
    const std::uint64_t first = i % batches * seeds_of_a_batch;
    found[i] = live_through(policies[i / batches], std::uint64_t(options.seed) + first,
                            std::min(seeds_of_a_batch, seeds - first));
  });
  std::vector<Soaked> sums;
  for (std::uint64_t i = 0; i < found.size(); ++i) {
    if (i % batches == 0) sums.push_back({.policy = policies[i / batches], .tally = {}});
    add(sums.back(), found[i]);
  }
  return sums;
}

std::string table_of(const std::vector<Soaked>& soaked) {
  std::ostringstream text;
  const auto row = [&](const std::string& first, auto... values) {
    text << std::left << std::setw(14) << first << std::right;
    ((text << std::setw(column_width) << values), ...);
    text << "\n";
  };
  row("", "lives", "broken", "steps", "finished", "cancelled", "faults", "preemptions", "replayed",
      "schedules");
  for (const Soaked& each : soaked) {
    const Tally& t = each.tally;
    const std::int64_t faults = t.faults_between + t.faults_asked + t.faults_in_flight + t.deaths;
    row(each.policy, each.lives, each.broken.size(), t.steps, t.finished, t.cancelled, faults, t.preemptions,
        t.replayed_tokens, hex(std::as_bytes(std::span(&each.schedules, 1))));
  }
  for (const Soaked& each : soaked)
    for (const Soaked::Broken& broken : each.broken)
      text << each.policy << ", seed " << broken.seed << ": " << broken.how << "\n";
  return text.str();
}

}  // namespace troupe::launch::simulation
