#include "actors/edge/retries/answer_store.hpp"

#include "actors/edge/retries/idempotency_key.hpp"
#include "actors/edge/status_pages.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors::edge {
namespace {

constexpr std::chrono::seconds put_off_time{1};  // for a service that had no room

tl::unexpected<Refusal> no_such_stream() {
  return refuse(RefusalKind::not_found, "There is no stream of this id, or it is not kept any more.", "",
                "stream_not_found");
}

tl::unexpected<Refusal> same_id_at_once() {
  return refuse(RefusalKind::unavailable, "Another request of this X-Request-Id came at the same time.", "",
                "request_id_in_use");
}

}  // namespace

Refusal no_room_for_answers() {
  return {RefusalKind::unavailable,
          "Answers in progress take all that may be kept for retries (--max-kept-answer-bytes).", "",
          "kept_answers_full"};
}

AnswerStore::AnswerStore(const config::RetrySettings& settings, Service& service, Journal* journal)
    : settings_(settings), service_(service), journal_(journal) {}

bool AnswerStore::make_room() {
  const std::lock_guard lock(mutex_);
  for (auto each = by_end_.begin(); bytes_ >= settings_.kept_answers_size.bytes && each != by_end_.end();) {
    const Entry entry = by_id_.find((each++)->second);
    if (entry->second.answer->has_readers()) continue;
    forget(entry, "room");
    ++counted_.dropped;
  }
  return bytes_ < settings_.kept_answers_size.bytes;
}

bool AnswerStore::knows(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  return by_id_.contains(id);
}

Expected<std::unique_ptr<AnswerReader>> AnswerStore::find_by_key(const std::string& caller,
                                                                 const std::string& key,
                                                                 const std::string& digest) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find({caller, key});
  if (found == by_key_.end()) return nullptr;
  return join(by_id_.find(found->second), digest);
}

Expected<std::unique_ptr<AnswerReader>> AnswerStore::find_by_id(const std::string& caller,
                                                                const std::string& id) {
  const std::lock_guard lock(mutex_);
  const Entry entry = by_id_.find(id);
  if (entry != by_id_.end() && entry->second.answer->place().caller == caller) {
    const ToldAnswer& answer = *entry->second.answer;
    if (failed_ && answer.place().waits && !answer.started()) return tl::unexpected(model_failed());
    ++counted_.reconnects;
    return read(entry);
  }
  const auto gone = gone_.find(id);
  if (gone == gone_.end() || gone->second.caller != caller) return no_such_stream();
  return refuse(
      RefusalKind::gone,
      "This stream was begun by an earlier server, and this one cannot go on with it; send the request "
      "again.",
      "", stream_gone_code);
}

Expected<std::unique_ptr<AnswerReader>> AnswerStore::keep(std::shared_ptr<ToldAnswer> answer) {
  const Place& place = answer->place();
  const std::lock_guard lock(mutex_);
  if (const auto found = by_key_.find({place.caller, place.idempotency_key}); found != by_key_.end())
    return join(by_id_.find(found->second), place.digest);
  const auto [entry, is_new] = by_id_.try_emplace(answer->id(), Kept{.answer = answer});
  if (!is_new) return same_id_at_once();
  if (!place.idempotency_key.empty()) by_key_.emplace(Key(place.caller, place.idempotency_key), answer->id());
  bytes_ += entry->second.answer->first_bytes();
  return read(entry);
}

void AnswerStore::restore(std::shared_ptr<ToldAnswer> answer, bool begun) {
  const Place& place = answer->place();
  const std::lock_guard lock(mutex_);
  const auto [entry, is_new] = by_id_.try_emplace(answer->id(), Kept{.answer = answer});
  if (!is_new) return;
  if (!place.idempotency_key.empty())
    by_key_.insert_or_assign({place.caller, place.idempotency_key}, answer->id());
  bytes_ += answer->first_bytes();
  entry->second.finished = !begun;
  if (begun) waiting_.emplace(TimePoint(), answer);
}

void AnswerStore::cannot_restore(const std::string& caller, const std::string& id) {
  const std::lock_guard lock(mutex_);
  gone_[id] = {caller, std::nullopt};
}

void AnswerStore::tick(TimePoint now) {
  const bool ready = service_.ready(), healthy = service_.healthy();
  std::vector<std::shared_ptr<ToldAnswer>> due;
  {
    const std::lock_guard lock(mutex_);
    if (leaving_) return;
    if (!healthy && !std::exchange(failed_, true)) note_failure();
    if (ready && !std::exchange(ready_, true)) begin_windows(now);
    while (ready && !waiting_.empty() && waiting_.begin()->first <= now) {
      if (auto answer = waiting_.begin()->second.lock()) due.push_back(resumed(std::move(answer)));
      waiting_.erase(waiting_.begin());
    }
    while (!by_expiry_.empty() && by_expiry_.begin()->first <= now) {
      const Entry entry = by_id_.find(by_expiry_.begin()->second);
      if (entry->second.answer->has_readers())
        expire(entry, std::nullopt);  // the last of them says when
      else
        forget(entry, "time");
    }
    std::erase_if(gone_, [&](const auto& each) { return each.second.until && *each.second.until <= now; });
  }
  for (const auto& each : due) each->start(service_);
}

void AnswerStore::begin_windows(TimePoint now) {
  for (auto& [id, gone] : gone_) gone.until = now + settings_.resume_window;
  for (Entry each = by_id_.begin(); each != by_id_.end(); ++each) {
    Kept& kept = each->second;
    if (!kept.answer->place().waits) continue;
    kept.left = now;
    if (kept.finished) by_end_.emplace(*(kept.ended = now), each->first);
    reconsider(each);
  }
}

void AnswerStore::note_failure() {
  for (const auto& [when, waiting] : waiting_)
    if (const auto answer = waiting.lock()) answer->withdraw(model_failed());
}

void AnswerStore::leave() {
  const std::lock_guard lock(mutex_);
  leaving_ = true;
}

void AnswerStore::stop() {
  const std::lock_guard lock(mutex_);
  leaving_ = true;
  for (const auto& [id, kept] : by_id_) kept.answer->stop();
}

std::size_t AnswerStore::size() const {
  const std::lock_guard lock(mutex_);
  return by_id_.size();
}

KeptAnswers AnswerStore::figures() const {
  const std::lock_guard lock(mutex_);
  KeptAnswers all = counted_;
  all.answers = by_id_.size();
  all.bytes = bytes_;
  all.most_bytes = settings_.kept_answers_size.bytes;
  return all;
}

void AnswerStore::over(const ToldAnswer& answer) {
  const bool failed = answer.failed(), refused = answer.refused();
  const std::lock_guard lock(mutex_);
  const Entry entry = find(answer);
  if (entry == by_id_.end() || (leaving_ && failed)) return;
  Kept& kept = entry->second;
  if (failed) forget_key(answer);  // a retry runs anew
  if (refused) return forget(entry, "refused");
  if (journal_ && answer.place().journaled && !kept.finished) journal_->finished(answer.id(), failed);
  kept.finished = true;
  if (!kept.ended) by_end_.emplace(*(kept.ended = now()), entry->first);
  reconsider(entry);
}

void AnswerStore::left(const ToldAnswer& answer) {
  const bool over = answer.over();
  const std::lock_guard lock(mutex_);
  const Entry entry = find(answer);
  if (entry == by_id_.end() || leaving_) return;
  if (!over)
    log_event(LogLevel::info, "stream_detached",
              {{"request_id", answer.place().request_id}, {"generation", answer.id()}});
  entry->second.left = now();
  reconsider(entry);
}

void AnswerStore::put_off(const std::shared_ptr<ToldAnswer>& answer) {
  const std::lock_guard lock(mutex_);
  waiting_.emplace(now() + put_off_time, answer);
  if (failed_) answer->withdraw(model_failed());
}

AnswerStore::Entry AnswerStore::find(const ToldAnswer& answer) {
  const Entry entry = by_id_.find(answer.id());
  return entry != by_id_.end() && entry->second.answer.get() == &answer ? entry : by_id_.end();
}

Expected<std::unique_ptr<AnswerReader>> AnswerStore::join(Entry entry, const std::string& digest) {
  if (entry->second.answer->place().digest != digest) return tl::unexpected(reused_idempotency_key());
  ++counted_.joins;
  return read(entry);
}

std::shared_ptr<ToldAnswer> AnswerStore::resumed(std::shared_ptr<ToldAnswer> answer) {
  const Entry entry = find(*answer);
  if (entry != by_id_.end() && !std::exchange(entry->second.resumed, true)) ++counted_.resumed;
  return answer;
}

std::unique_ptr<AnswerReader> AnswerStore::read(Entry entry) {
  const std::shared_ptr<ToldAnswer>& answer = entry->second.answer;
  // One whose answer had ended before the server was started again is computed for whoever asks.
  if (answer->place().waits && entry->second.finished && !answer->started())
    waiting_.emplace(TimePoint(), answer);
  return std::make_unique<AnswerReader>(answer);
}

void AnswerStore::expire(Entry entry, std::optional<TimePoint> when) {
  Kept& kept = entry->second;
  if (kept.expires) by_expiry_.erase({*kept.expires, entry->first});
  kept.expires = when;
  if (when) by_expiry_.emplace(*when, entry->first);
}

void AnswerStore::reconsider(Entry entry) {
  const Kept& kept = entry->second;
  // One under a key runs to its end, since whoever sends it again wants the answer.
  const Place& place = kept.answer->place();
  const bool has_key = by_key_.contains({place.caller, place.idempotency_key});
  if (!kept.left || (has_key && !kept.ended)) return expire(entry, std::nullopt);
  TimePoint when = *kept.left + settings_.resume_window;
  if (has_key) when = std::max(when, *kept.ended + settings_.idempotency_ttl);
  expire(entry, when);
}

void AnswerStore::forget(Entry entry, const char* why) {
  const std::shared_ptr<ToldAnswer> answer = entry->second.answer;
  expire(entry, std::nullopt);
  if (entry->second.ended) by_end_.erase({*entry->second.ended, entry->first});
  forget_key(*answer);
  by_id_.erase(entry);
  const bool over = answer->over();
  bytes_ -= answer->forget();
  if (journal_ && answer->place().journaled) journal_->dropped(answer->id());
  if (!over)
    log_event(LogLevel::info, "stream_forgotten",
              {{"request_id", answer->place().request_id}, {"generation", answer->id()}, {"reason", why}});
}

void AnswerStore::forget_key(const ToldAnswer& answer) {
  const auto found = by_key_.find({answer.place().caller, answer.place().idempotency_key});
  if (found != by_key_.end() && found->second == answer.id()) by_key_.erase(found);
}

}  // namespace troupe::actors::edge
