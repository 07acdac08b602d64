#include "actors/edge/retries/told_answer.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "actors/edge/reply.hpp"
#include "runtime/base/log.hpp"

namespace troupe::actors::edge {
namespace {

constexpr std::int32_t all_deltas = 1 << 30;  // more than an answer has

bool server_sent(const Answer& answer) {
  return answer.stream_type().starts_with("text/event-stream");
}

}  // namespace

Refusal internal_failure() {
  return {RefusalKind::internal, "The server failed; its log says why.", "", "internal_error"};
}

void log_request_failure(const std::string& request_id, const std::string& failure) {
  log_event(LogLevel::error, "http_request_failed", {{"request_id", request_id}, {"error", failure}});
}

ToldAnswer::ToldAnswer(const Endpoint& endpoint, ApiRequest request, std::unique_ptr<Answer> answer)
    : ToldAnswer(endpoint, std::move(request), std::move(answer), {}, nullptr, {}) {}

ToldAnswer::ToldAnswer(const Endpoint& endpoint, ApiRequest request, std::unique_ptr<Answer> answer,
                       Place place, AnswerKeeper& keeper, net::any_io_executor executor)
    : ToldAnswer(endpoint, std::move(request), std::move(answer), std::move(place), &keeper,
                 std::move(executor)) {}

ToldAnswer::ToldAnswer(const Endpoint& endpoint, ApiRequest request, std::unique_ptr<Answer> answer,
                       Place place, AnswerKeeper* keeper, net::any_io_executor executor)
    : endpoint_(endpoint),
      place_(std::move(place)),
      keeper_(keeper),
      executor_(std::move(executor)),
      id_(request.generation.id),
      stream_(request.stream),
      choices_(request.choices()),
      named_tokens_(request.generation.max_tokens.has_value()),
      own_names_(std::move(request.own_names)),
      stream_type_(answer->stream_type()),
      request_(std::move(request.generation)),
      answer_(std::move(answer)),
      log_(choices_, server_sent(*answer_)) {
  if (kept()) request_.unpaced = true;
  begin_feed();
}

ToldAnswer::~ToldAnswer() {
  feed_->close();
}

void ToldAnswer::begin_feed() {
  feed_ = std::make_shared<DeltaFeed>([this] { wake(); });  // closed before this goes
  if (kept()) feed_->expect(all_deltas);
}

void ToldAnswer::start(Service& service, std::shared_ptr<Ledger::Ticket> ticket,
                       std::shared_ptr<Capture> capture, std::int32_t deltas) {
  Tidings tidings = Tidings::none;
  {
    const std::lock_guard lock(mutex_);
    if (capture) capture_ = std::move(capture);
    if (meter_ || over_ || stopped_) return write_capture();
    meter_ = std::make_shared<MeteredSink>(capture_ ? capture_->listen(feed_, capture_) : feed_,
                                           std::move(ticket), named_tokens_);
    tidings = withdrawn_ ? end_with(std::move(withdrawn_)) : begin(service, deltas);
  }
  tell_keeper(tidings);
  if (tidings != Tidings::none) wake();
}

ToldAnswer::Tidings ToldAnswer::begin(Service& service, std::int32_t deltas) {
  try {
    generation_ = service.generate(place_.waits ? request_ : std::move(request_), meter_);
    if (deltas > 0) {
      feed_->expect(deltas);
      generation_->grant(deltas);
    }
  } catch (const std::exception& error) {
    if (!kept()) {
      capture_.reset();  // whoever began it has it still
      throw;
    }
    log_request_failure(place_.request_id, error.what());
    return end_with(internal_failure());
  }
  return Tidings::none;
}

bool ToldAnswer::started() const {
  const std::lock_guard lock(mutex_);
  return meter_ != nullptr;
}

void ToldAnswer::owe(AuditLine line) {
  const std::lock_guard lock(mutex_);
  owed_ = std::move(line);
  write_owed();
}

void ToldAnswer::cut_off(Refusal why) {
  const std::lock_guard lock(mutex_);
  if (over_) return;
  if (generation_) generation_->cancel();
  stopped_ = true;  // what is not started is not started any more
  feed_->cut_off(std::move(why));
}

void ToldAnswer::withdraw(Refusal why) {
  if (place_.waits) return refuse_readers(why);
  const std::lock_guard lock(mutex_);
  if (!meter_) {  // it waits for the journal, which is told of its end behind its beginning
    withdrawn_ = std::move(why);
    return;
  }
  const bool told = begun_ && stream_;  // of a whole answer nothing is, before its end
  if (generation_ && !told && !over_) generation_->withdraw(std::move(why));
}

std::size_t ToldAnswer::forget() {
  if (!has_readers()) stop();
  const std::lock_guard lock(mutex_);
  forgotten_ = true;
  write_owed();
  return std::exchange(accounted_, 0);
}

void ToldAnswer::stop() {
  const std::lock_guard lock(mutex_);
  if (!over_ && generation_) generation_->cancel();
  generation_.reset();
  if (meter_) meter_->leave();
  stopped_ = true;
  write_owed();
  write_capture();
}

bool ToldAnswer::over() const {
  const std::lock_guard lock(mutex_);
  return over_;
}

bool ToldAnswer::failed() const {
  const std::lock_guard lock(mutex_);
  return over_ && (failure_ || broken_);
}

bool ToldAnswer::refused() const {
  const std::lock_guard lock(mutex_);
  return refused_untold();
}

bool ToldAnswer::has_readers() const {
  const std::lock_guard lock(readers_mutex_);
  return !readers_.empty();
}

GenerationRecord ToldAnswer::record() const {
  const std::lock_guard lock(mutex_);
  return noted();
}

std::vector<runtime::ChoiceTimes> ToldAnswer::served() const {
  const std::lock_guard lock(mutex_);
  return served_;
}

ToldAnswer::News ToldAnswer::take(EventLog::Reading& reading) {
  News news;
  std::exception_ptr broken;
  Tidings tidings = Tidings::none;
  {
    const std::lock_guard lock(mutex_);
    tidings = encode(&news.deltas);
    broken = broken_;
    news.begun = begun_;
    news.over = over_;
    news.failed = over_ && failure_;
    if (refused_untold()) news.refusal = failure_;
    if (stream_ && !news.refusal) log_.tell(reading, news.bytes);
    if (over_ && !stream_) news.whole = whole_;
    if (!kept()) {
      log_.forget();
      reading.next = 0;
    }
  }
  tell_keeper(tidings);
  if (broken) std::rethrow_exception(broken);
  return news;
}

std::string ToldAnswer::still_waiting() {
  const std::lock_guard lock(mutex_);
  std::string bytes;
  if (stream_ && answer_) answer_->still_waiting(bytes);
  return bytes;
}

void ToldAnswer::grant(std::size_t deltas) {
  const std::lock_guard lock(mutex_);
  if (deltas == 0 || kept() || over_ || !generation_) return;
  feed_->expect(std::int32_t(deltas));
  generation_->grant(std::int32_t(deltas));
}

void ToldAnswer::enter(AnswerReader* reader) {
  const std::lock_guard lock(readers_mutex_);
  readers_.push_back(reader);
}

void ToldAnswer::leave(AnswerReader* reader) {
  {
    const std::lock_guard lock(readers_mutex_);
    std::erase(readers_, reader);
    if (!readers_.empty()) return;
  }
  if (!kept()) return stop();
  absorb();  // what it was woken for and has not taken
  keeper_->left(*this);
}

void ToldAnswer::refuse_readers(const Refusal& why) {
  const std::lock_guard lock(readers_mutex_);
  for (AnswerReader* each : readers_) {
    each->refused_ = why;
    each->ring();
  }
}

void ToldAnswer::wake() {
  const std::lock_guard lock(readers_mutex_);
  for (const AnswerReader* each : readers_) each->ring();
  if (!kept()) return;
  net::post(executor_, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->absorb();
  });
}

void ToldAnswer::absorb() {
  Tidings tidings = Tidings::none;
  {
    const std::lock_guard lock(mutex_);
    tidings = encode();
  }
  tell_keeper(tidings);
}

ToldAnswer::Tidings ToldAnswer::encode(std::size_t* deltas) {
  if (over_) return Tidings::none;
  DeltaFeed::News news = feed_->take();
  if (news.empty()) return Tidings::none;
  if (deltas && !kept()) *deltas = news.deltas.size();
  begun_ = begun_ || news.accepted || !news.deltas.empty() || news.end;
  if (news.failure && !begun_ && place_.waits && news.failure->kind == RefusalKind::unavailable &&
      !stopped_) {
    generation_.reset();
    meter_.reset();
    feed_->close();
    begin_feed();
    return Tidings::put_off;
  }
  const bool ends = news.end || news.failure;
  std::optional<Refusal> failure = news.failure;
  try {
    tell(std::move(news));
  } catch (const std::exception& error) {
    broken_ = std::current_exception();
    if (kept()) log_request_failure(place_.request_id, error.what());
    if (generation_) generation_->cancel();
    return end_with(internal_failure());
  }
  account();
  if (!ends) return Tidings::none;
  if (failure) failure = in_own_names(own_names_, std::move(*failure));
  return end_with(std::move(failure));
}

void ToldAnswer::tell(DeltaFeed::News news) {
  for (const runtime::Delta& each : news.deltas)
    if (each.served) served_.push_back(*each.served);
  if (!stream_) {
    for (runtime::Delta& each : news.deltas) answer_->collect(std::move(each));
    if (news.end) whole_ = dump(answer_->whole(*news.end));
    return;
  }
  std::string events;
  const auto add = [&](std::size_t part) {
    log_.add(part, events);
    events.clear();
  };
  if (news.accepted) {
    answer_->begin(*news.accepted, events);
    add(EventPosition::beginning);
  }
  for (const runtime::Delta& each : news.deltas) {
    answer_->delta(each, events);
    add(EventPosition::of_choice(each.choice));
  }
  if (news.end) {
    answer_->end(*news.end, events);
    add(log_.end_part());
  }
  if (!news.failure || !begun_) return;
  answer_->failure(in_own_names(own_names_, *news.failure), events);
  log_.add_failure(events);
}

ToldAnswer::Tidings ToldAnswer::end_with(std::optional<Refusal> failure) {
  over_ = true;
  failure_ = std::move(failure);
  generation_.reset();
  answer_.reset();
  request_ = {};
  if (meter_) meter_->leave();
  account();
  write_owed();
  write_capture();
  return Tidings::over;
}

void ToldAnswer::account() {
  if (!kept() || forgotten_) return;
  const std::size_t now = first_bytes() + log_.bytes() + (whole_ ? whole_->size() : 0);
  if (now > accounted_) keeper_->grew(now - accounted_);
  accounted_ = std::max(now, accounted_);
}

bool ToldAnswer::refused_untold() const {
  return over_ && failure_ && (!begun_ || !stream_);
}

GenerationRecord ToldAnswer::noted() const {
  GenerationRecord record = meter_ ? meter_->record() : GenerationRecord{};
  if (failure_ && record.failure.empty()) record.failure = failure_code(*failure_);
  return record;
}

// What the server's end cuts short goes on with the journal that has it.
bool ToldAnswer::ended() const {
  const bool cut_short = stopped_ && (!over_ || failure_);
  return cut_short ? forgotten_ || !place_.journaled : over_;
}

int ToldAnswer::status() const {
  if (!over_) return http_status(RefusalKind::cancelled);
  return refused_untold() ? endpoint_.refusal(*failure_, place_.request_id).status : 200;
}

void ToldAnswer::write_capture() {
  if (const auto capture = std::exchange(capture_, nullptr)) capture->write(status(), over_ && !failure_);
}

void ToldAnswer::write_owed() {
  if (!owed_ || !ended()) return;
  const char* end = "cancelled";
  if (over_) {
    end = failure_ ? "failed" : "complete";
    owed_->status = status();
  }
  const GenerationRecord record = noted();
  owed_->write(end, &record);
  owed_.reset();
}

void ToldAnswer::tell_keeper(Tidings tidings) {
  if (!kept()) return;
  if (tidings == Tidings::over) keeper_->over(*this);
  if (tidings == Tidings::put_off) keeper_->put_off(shared_from_this());
}

AnswerReader::AnswerReader(std::shared_ptr<ToldAnswer> answer)
    : answer_(std::move(answer)), reading_{EventPosition(answer_->choices()), 0} {
  answer_->enter(this);
}

AnswerReader::~AnswerReader() {
  answer_->leave(this);
}

Expected<void> AnswerReader::resume_after(std::string_view last_event_id) {
  if (!answer_->stream() || !answer_->log_.server_sent()) return {};
  auto position = EventPosition::parse(last_event_id, answer_->choices());
  if (!position) return tl::unexpected(position.error());
  reading_.position = std::move(*position);
  return {};
}

AnswerReader::News AnswerReader::take() {
  News news = answer_->take(reading_);
  if (news.over || (news.begun && answer_->stream())) return news;
  const std::lock_guard lock(answer_->readers_mutex_);
  if (refused_) return {.refusal = refused_, .over = true, .failed = true};
  return news;
}

void AnswerReader::ring() const {
  if (bell_) net::post(bell_->strand(), [bell = bell_] { bell->ring(); });
}

void AnswerReader::listen(std::shared_ptr<Bell> bell) {
  const std::lock_guard lock(answer_->readers_mutex_);
  bell_ = std::move(bell);
}

}  // namespace troupe::actors::edge
