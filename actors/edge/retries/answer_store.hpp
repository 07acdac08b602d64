// Answers that are kept for clients that come again, by id and by Idempotency-Key: for how long, and how much of them.
// Thread-safe.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>

#include "actors/edge/retries/journal.hpp"
#include "actors/edge/retries/told_answer.hpp"
#include "actors/kept_answers.hpp"
#include "config/edge_settings.hpp"
#include "runtime/base/clock.hpp"

namespace troupe::actors::edge {

constexpr const char* stream_gone_code = "stream_gone";  // of what cannot be restored

class AnswerStore final : public AnswerKeeper {
 public:
  using Place = ToldAnswer::Place;

  // All outlive this. journal: null: there is none.
  AnswerStore(const config::RetrySettings& settings, Service& service, Journal* journal);

  bool keeps_all() const {
    return settings_.resume_window.count() > 0;
  }  // also those without an Idempotency-Key
  // Before one is kept; the oldest that have ended are forgotten for it, but for those that somebody reads, which would stay in
  // memory.
  bool make_room();
  bool knows(const std::string& id) const;  // of whomever

  // Of the caller's: null where there is none under that key; refused where it is of another request.
  Expected<std::unique_ptr<AnswerReader>> find_by_key(const std::string& caller, const std::string& key,
                                                      const std::string& digest);
  // 404, or 410 for one that could not be restored, or 503 for one that nobody computes any more.
  Expected<std::unique_ptr<AnswerReader>> find_by_id(const std::string& caller, const std::string& id);
  // Takes it in, and gives a reader of it; or, as find_by_key, one of the answer that was there before under its key. Refused, if
  // its id is another's.
  Expected<std::unique_ptr<AnswerReader>> keep(std::shared_ptr<ToldAnswer> answer);

  // Of the journal. begun: it is started as soon as the service is ready, else when somebody asks. As of then it is kept for a
  // resume window.
  void restore(std::shared_ptr<ToldAnswer> answer, bool begun);
  void cannot_restore(const std::string& caller, const std::string& id);  // 410 for a resume window

  // Every now and then: what is over its time goes, what waits for the service is started. Once that has failed, who reads what
  // waits for it is told so; it stays, for the journal.
  void tick(TimePoint now);
  // The server ends: all is stopped, and stays in the journal.
  void leave();
  void stop();

  std::size_t size() const;
  std::size_t bytes() const { return bytes_; }
  KeptAnswers figures() const;

  // Of the answers.
  void grew(std::size_t bytes) override { bytes_ += bytes; }
  void over(const ToldAnswer& answer) override;
  void left(const ToldAnswer& answer) override;
  void put_off(const std::shared_ptr<ToldAnswer>& answer) override;

 private:
  using Key = std::pair<std::string, std::string>;  // a caller's name, and its Idempotency-Key
  struct Kept {
    std::shared_ptr<ToldAnswer> answer;
    std::optional<TimePoint> left{}, ended{}, expires{};
    bool finished = false;  // the journal knows of its end
    bool resumed = false;   // from there
  };
  struct Gone {
    std::string caller;
    std::optional<TimePoint> until;  // unset: a resume window from the service's readiness on
  };
  using Entry = std::map<std::string, Kept>::iterator;

  // All below: the lock is held.
  Entry find(const ToldAnswer& answer);
  std::unique_ptr<AnswerReader> read(Entry entry);
  Expected<std::unique_ptr<AnswerReader>> join(Entry entry, const std::string& digest);  // of a request
  std::shared_ptr<ToldAnswer> resumed(std::shared_ptr<ToldAnswer> answer);  // counts it, the first time
  void expire(Entry entry, std::optional<TimePoint> when);
  void reconsider(Entry entry);  // when it expires
  void forget(Entry entry, const char* why);
  void forget_key(const ToldAnswer& answer);
  void begin_windows(TimePoint now);  // of those that were restored
  void note_failure();                // of the service

  const config::RetrySettings& settings_;
  Service& service_;
  Journal* const journal_;
  std::atomic<std::size_t> bytes_ = 0;

  mutable std::mutex mutex_;  // guards all below; answers are locked under it, and never around it
  std::map<std::string, Kept> by_id_;
  std::map<Key, std::string> by_key_;                               // their ids
  std::set<std::pair<TimePoint, std::string>> by_expiry_, by_end_;  // likewise
  std::multimap<TimePoint, std::weak_ptr<ToldAnswer>> waiting_;     // for the service, until then at least
  std::map<std::string, Gone> gone_;                                // by id
  KeptAnswers counted_;                                             // but for what is so now
  bool ready_ = false, failed_ = false;                             // the service has been, and has
  bool leaving_ = false;  // what fails now is not over for the journal
};

// 503: answers in progress take all that may be kept.
Refusal no_room_for_answers();

}  // namespace troupe::actors::edge
