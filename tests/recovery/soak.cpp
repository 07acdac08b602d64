// recovery_soak [--seeds N] [--first SEED]: that many simulated lives of a replica, on all CPUs, and what they came to.
// Exit code 1 if one of them broke something; each such seed is named, and fails alone with --seeds 1 --first SEED.
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <mutex>
#include <thread>

#include "runtime/base/log.hpp"
#include "runtime/base/thread_pool.hpp"
#include "tests/recovery/simulation.hpp"

namespace {

thread_local std::uint64_t current_seed = 0;

// A CHECK that failed has said what it is.
void name_seed(int) {
  std::fprintf(stderr, "seed %llu\n", static_cast<unsigned long long>(current_seed));
  std::_Exit(1);
}

struct Sum {
  std::uint64_t lives = 0, faults = 0, epochs = 0, restarts = 0, tokens = 0, mails = 0, broken = 0;
  std::map<std::string, std::uint64_t> gave_up;

  void add(std::uint64_t seed, const troupe::simulation::Outcome& outcome) {
    ++lives;
    faults += std::uint64_t(outcome.faults);
    epochs += outcome.epochs;
    restarts += outcome.restarts;
    tokens += outcome.tokens;
    mails += outcome.mails;
    if (!outcome.gave_up.empty()) ++gave_up[outcome.gave_up];
    if (outcome.broken.empty()) return;
    ++broken;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), outcome.broken.c_str());
    std::fflush(stdout);
  }
};

void print(const Sum& sum) {
  std::printf("%llu lives, %llu broken: %llu faults, %llu epochs, %llu restarts, %llu tokens, %llu mails\n",
              static_cast<unsigned long long>(sum.lives), static_cast<unsigned long long>(sum.broken),
              static_cast<unsigned long long>(sum.faults), static_cast<unsigned long long>(sum.epochs),
              static_cast<unsigned long long>(sum.restarts), static_cast<unsigned long long>(sum.tokens),
              static_cast<unsigned long long>(sum.mails));
  for (const auto& [why, count] : sum.gave_up)
    std::printf("%8llu gave up: %s\n", static_cast<unsigned long long>(count), why.c_str());
}

}  // namespace

int main(int count, char** arguments) {
  std::uint64_t seeds = 1000, first = 1;
  for (int i = 1; i + 1 < count; i += 2) {
    if (std::strcmp(arguments[i], "--seeds") == 0) seeds = std::strtoull(arguments[i + 1], nullptr, 10);
    if (std::strcmp(arguments[i], "--first") == 0) first = std::strtoull(arguments[i + 1], nullptr, 10);
  }
  troupe::set_log_level(troupe::LogLevel::off);
  std::signal(SIGABRT, name_seed);
  Sum sum;
  std::mutex mutex;
  {
    std::vector<std::jthread> threads;
    const auto cpus = std::uint64_t(troupe::usable_cpus());
    for (std::uint64_t t = 0; t < cpus; ++t)
      threads.emplace_back([&, t] {
        for (std::uint64_t i = t; i < seeds; i += cpus) {
          current_seed = first + i;
          const auto outcome = troupe::simulation::simulate(current_seed);
          const std::lock_guard lock(mutex);
          sum.add(current_seed, outcome);
        }
      });
  }
  print(sum);
  return sum.broken == 0 ? 0 : 1;
}
