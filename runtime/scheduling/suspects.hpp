// Finds the sequences that kill workers. Whoever is in a step that a worker dies in is a suspect until it has been computed past
// the rows that it had there: one that kills never gets past them, and one that was merely there when somebody pulled a plug
// does so as soon as it is computed again.
//
// A death counts `for_death` against each suspect, one from outside `for_kill`. Once somebody has `enough`, only some of the
// suspects run at a time, and nobody else: half of those that were there when a worker died last, until they are past or a
// worker dies again, which leaves half as many to look among. Who then dies alone, with enough against it, is condemned. So one
// that kills is found among N by death 2 + log2(N), rounded up, and all others get past. Nobody is condemned but for a death with
// nothing in flight but its own steps, and not for the first in a row in which it did not get past the same rows: for the second, or
// for the fourth if all came from outside.
//
// Those that cannot run now (they are paused, or their owners have not submitted them again) lose their turn, and nobody waits
// for them; whoever is preempted stays a suspect. Not thread-safe; there is work in proportion to the suspects, and none without.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "runtime/base/epoch_end.hpp"
#include "runtime/base/error.hpp"

namespace troupe::runtime {

// What the owner of a condemned sequence is told.
constexpr const char* quarantine_code = "request_quarantined";
Refusal quarantine();

// Of a sequence in the steps in flight, all its rows there.
struct RowsInFlight {
  SequenceId sequence = 0;
  std::int32_t begin = 0, end = 0;  // positions of tokens
  bool left = false;                // it was cancelled or has ended meanwhile
};

class Suspects {
 public:
  static constexpr int for_death = 2, for_kill = 1, enough = 4;
  // Whether a sequence is there, and nothing else holds it.
  using CanRun = std::function<bool(SequenceId)>;

  // Or there were some, and take_turns is to be called once more.
  bool any() const { return !all_.empty() || changed_; }
  // False: it waits for the turn of others.
  bool may_run(SequenceId sequence) const;
  // Of the rows that a worker died in. They are computed in steps of their own, so that a death in those before, which take
  // longer, is told from one in these. 0: it is no suspect.
  std::int32_t first_row(SequenceId sequence) const;
  std::vector<SequenceId> sequences() const;

  // A worker was killed or died with these in flight, one entry a sequence. Says who is condemned; it is no suspect any more.
  std::optional<SequenceId> strike(EpochEnd::Cause cause, std::span<const RowsInFlight> in_flight);
  // Whether that has left fewer to look among.
  bool narrowed() const { return narrowed_; }

  // So many of its tokens are in the cache. True: it is past, and no suspect any more.
  bool computed(SequenceId sequence, std::int32_t tokens);
  void leave(SequenceId sequence);  // it has ended, or is gone

  // To be called before it is asked who may run. True: may_run says something else than before.
  bool take_turns(const CanRun& can_run);

 private:
  struct Suspect {
    SequenceId sequence = 0;
    std::int32_t begin = 0, end = 0;  // rows
    int against = 0;                  // it, for the deaths in these
  };

  std::size_t place_of(SequenceId sequence) const;  // all_.size(): it is no suspect
  void erase(std::size_t place);
  std::size_t bring_forward(const CanRun& can_run);

  std::vector<Suspect> all_;  // those of the last death first
  std::size_t together_ = 0;  // so many, of which one kills if anybody does
  std::size_t turn_ = 0;      // so many of those have their turn; 0: nobody waits for anybody
  bool searching_ = false;    // from when somebody has enough against it until nobody is suspected
  bool narrowed_ = false, changed_ = false;
};

}  // namespace troupe::runtime
