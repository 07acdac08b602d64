#include "runtime/scheduling/suspects.hpp"

#include <algorithm>

namespace troupe::runtime {

Refusal quarantine() {
  return {RefusalKind::invalid,
          "Workers died again and again while they computed this request, and no other was at fault. It was "
          "stopped; do not send it again as it is.",
          "", quarantine_code};
}

std::size_t Suspects::place_of(SequenceId sequence) const {
  return std::size_t(std::ranges::find(all_, sequence, &Suspect::sequence) - all_.begin());
}

bool Suspects::may_run(SequenceId sequence) const {
  return turn_ == 0 || place_of(sequence) < turn_;
}

std::int32_t Suspects::first_row(SequenceId sequence) const {
  const std::size_t place = place_of(sequence);
  return place == all_.size() ? 0 : all_[place].begin;
}

std::vector<SequenceId> Suspects::sequences() const {
  std::vector<SequenceId> sequences;
  for (const Suspect& each : all_) sequences.push_back(each.sequence);
  return sequences;
}

std::optional<SequenceId> Suspects::strike(EpochEnd::Cause cause, std::span<const RowsInFlight> in_flight) {
  const int weight = cause == EpochEnd::Cause::died ? for_death : for_kill;
  const std::size_t before = together_;
  const bool searched = searching_;
  std::vector<Suspect> struck;
  for (const RowsInFlight& rows : in_flight) {
    if (rows.left) continue;
    Suspect now{rows.sequence, rows.begin, rows.end, weight};
    if (const std::size_t place = place_of(rows.sequence); place < all_.size()) {
      const Suspect& known = all_[place];
      // It may have got to the end of those rows, and no further.
      if (rows.begin <= known.end && known.begin < rows.end) {
        const bool at_end = rows.begin == known.end;
        now.begin = at_end ? known.begin : std::max(known.begin, rows.begin);
        now.end = at_end ? rows.end : std::min(known.end, rows.end);
        now.against += known.against;
      }
      erase(place);
    }
    struck.push_back(now);
  }
  std::ranges::stable_sort(struck, std::greater(), &Suspect::against);
  all_.insert(all_.begin(), struck.begin(), struck.end());
  together_ = struck.size();
  narrowed_ = searched && together_ < before;
  turn_ = 0;
  changed_ = true;
  searching_ =
      searched || std::ranges::any_of(struck, [](const Suspect& each) { return each.against >= enough; });
  if (in_flight.size() != 1 || struck.empty() || struck.front().against < enough) return std::nullopt;
  const SequenceId condemned = struck.front().sequence;
  leave(condemned);
  return condemned;
}

bool Suspects::computed(SequenceId sequence, std::int32_t tokens) {
  const std::size_t place = place_of(sequence);
  if (place == all_.size() || tokens <= all_[place].end) return false;
  erase(place);
  return true;
}

void Suspects::leave(SequenceId sequence) {
  if (const std::size_t place = place_of(sequence); place < all_.size()) erase(place);
}

void Suspects::erase(std::size_t place) {
  all_.erase(all_.begin() + std::ptrdiff_t(place));
  if (place < together_) --together_;
  if (place < turn_) {
    --turn_;
    changed_ = true;
  }
  if (all_.empty()) searching_ = false;
}

// Who has its turn keeps it for as long as one of them can use it. Then it is half of those that can run among the last that
// died together, and when these are through, of all.
bool Suspects::take_turns(const CanRun& can_run) {
  const auto turn_end = all_.begin() + std::ptrdiff_t(turn_);
  const bool used =
      std::any_of(all_.begin(), turn_end, [&](const Suspect& each) { return can_run(each.sequence); });
  if (searching_ && !used) {
    std::size_t able = bring_forward(can_run);
    if (able == 0) {
      together_ = all_.size();
      able = bring_forward(can_run);
    }
    changed_ |= turn_ > 0 || able > 0;
    turn_ = (able + 1) / 2;
  }
  return std::exchange(changed_, false);
}

// How many can run among those that died together, who come first then.
std::size_t Suspects::bring_forward(const CanRun& can_run) {
  const auto end = all_.begin() + std::ptrdiff_t(together_);
  const auto able =
      std::stable_partition(all_.begin(), end, [&](const Suspect& each) { return can_run(each.sequence); });
  return std::size_t(able - all_.begin());
}

}  // namespace troupe::runtime
