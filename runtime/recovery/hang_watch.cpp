#include "runtime/recovery/hang_watch.hpp"

#include <time.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <tuple>

namespace troupe::runtime {
namespace {

namespace fs = std::filesystem;
using State = ProcessSample::State;

// The letter behind the name of "123 (name) S ..."; the name may hold anything.
char state_letter(const fs::path& stat) {
  std::ifstream in(stat);
  std::string line;
  std::getline(in, line);
  const std::size_t name_end = line.rfind(") ");
  return name_end == std::string::npos || name_end + 2 >= line.size() ? ' ' : line[name_end + 2];
}

// Of each of its threads. Empty: the process is gone.
std::optional<std::string> letters_of_threads(pid_t pid) {
  std::string letters;
  std::error_code gone;
  for (const auto& thread : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone))
    letters += state_letter(thread.path() / "stat");
  return gone ? std::nullopt : std::optional(letters);
}

}  // namespace

State state_of_threads(std::string_view letters) {
  const auto has = [&](char letter) { return letters.find(letter) != letters.npos; };
  if (has('R')) return State::runnable;
  if (has('D')) return State::disk;
  constexpr std::string_view stopped = "Tt", ended = "ZX ";
  const bool any_stopped = letters.find_first_of(stopped) != letters.npos;
  const bool any_lives = letters.find_first_not_of(std::string(stopped).append(ended)) != letters.npos;
  return any_stopped && !any_lives ? State::stopped : State::sleeping;
}

std::optional<ProcessSample> sample_process(pid_t pid) {
  clockid_t clock{};
  timespec used{};
  if (clock_getcpuclockid(pid, &clock) != 0 || clock_gettime(clock, &used) != 0) return std::nullopt;
  const auto letters = letters_of_threads(pid);
  if (!letters) return std::nullopt;
  return ProcessSample{state_of_threads(*letters),
                       std::chrono::seconds(used.tv_sec) + std::chrono::nanoseconds(used.tv_nsec)};
}

bool HangWatch::begin(TimePoint now, const Tick& tick) {
  const bool moved = !last_ || last_->count != tick.count;
  if (moved) {
    last_ = tick;
    moved_ = looked_ = now;
    sampled_.reset();
    held_against_ = waited_ = {};
  }
  return moved;
}

std::optional<Hang> HangWatch::look(TimePoint now, const Tick& tick,
                                    const std::function<std::optional<ProcessSample>()>& sample) {
  const Duration pause = tick.activity == Activity::idle ? limit_ / 4 : sampled_ ? Duration{} : limit_ / 8;
  if (begin(now, tick) || now - looked_ < pause) return std::nullopt;
  const auto seen = sample();
  if (!seen) return std::nullopt;  // its end is told otherwise
  // One look does not vouch for a long time: the watch itself may have got no CPU.
  const Duration since = std::min(now - looked_, limit_ / 4);
  const Duration used = sampled_ ? seen->cpu - sampled_->cpu : since;
  sampled_ = seen;
  looked_ = now;
  const bool owes = tick.activity == Activity::starting || tick.activity == Activity::loading ||
                    tick.activity == Activity::computing;
  // Who waits for a device that waits for other ranks asks it again and again.
  const bool may_spin = owes || tick.activity == Activity::collective;
  Duration& passed = owes || seen->state == State::stopped ? held_against_ : waited_;
  if (seen->state == State::stopped || seen->state == State::sleeping)
    passed += since;
  else if (may_spin && seen->state == State::runnable)
    passed += std::min(since, used);
  if (held_against_ < (tick.activity == Activity::starting ? longest_start : limit_)) return std::nullopt;
  held_against_ = {};
  if (seen->state == State::stopped) return Hang::stopped;
  return seen->state == State::runnable ? Hang::busy : Hang::asleep;
}

std::optional<std::int32_t> find_culprit(std::span<const RankTick> ranks) {
  const auto place = [](const RankTick& each) {
    return std::tuple(each.tick.epoch, each.tick.step, each.tick.collectives,
                      each.tick.activity == Activity::collective);
  };
  if (ranks.size() < 2) return std::nullopt;
  const auto [behind, ahead] = std::ranges::minmax_element(ranks, {}, place);
  const auto lowest = place(*behind);
  if (lowest == place(*ahead)) return std::nullopt;
  // Several may be behind equally: then they wait for each other, and any of them will do.
  return behind->rank;
}

}  // namespace troupe::runtime
