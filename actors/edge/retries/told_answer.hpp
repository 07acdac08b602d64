// The answer to one request while it is generated and told: owns the generation, the encoder and, where it is kept, all that
// was told. It is independent of connections: those that read it come and go (AnswerReader). Encoding is done by who reads, on
// its thread; of a kept one, whose readers may be slow, by any thread of the server's. Thread-safe.
//
// A plain answer has one reader, of whose speed it is paced, keeps nothing that it has taken, and is cancelled when it leaves.
// A kept one keeps every event, takes whatever comes (max_tokens bounds its text), and runs on without readers.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "actors/edge/answer.hpp"
#include "actors/edge/asio.hpp"
#include "actors/edge/audit_line.hpp"
#include "actors/edge/callers/metered_sink.hpp"
#include "actors/edge/capture/captures.hpp"
#include "actors/edge/delta_feed.hpp"
#include "actors/edge/protocol.hpp"
#include "actors/edge/retries/event_log.hpp"

namespace troupe::actors::edge {

class AnswerReader;
class ToldAnswer;

// Who keeps answers, and is told of them. Called without any lock of theirs.
class AnswerKeeper {
 public:
  virtual ~AnswerKeeper() = default;
  virtual void grew(
      std::size_t bytes) = 0;  // what is kept of some answer; the one that is called under its lock
  virtual void over(const ToldAnswer& answer) = 0;  // it has ended or failed
  virtual void left(const ToldAnswer& answer) = 0;  // its last reader has
  // Of one that waits until the service has room for it: it has none yet.
  virtual void put_off(const std::shared_ptr<ToldAnswer>& answer) = 0;
};

class ToldAnswer : public std::enable_shared_from_this<ToldAnswer> {
 public:
  // By what a kept answer is found, and what is told of it.
  struct Place {
    std::string caller{};           // its name; may be empty
    std::string idempotency_key{};  // empty: none
    std::string digest{};           // of the request, where there is a key
    std::string request_id{};       // of the HTTP request that began it
    bool journaled = false;
    std::size_t body_bytes = 0;  // of the request in the journal
    bool waits = false;          // for the service to have room, instead of being refused for want of it
  };

  // A plain one. endpoint: of the request. request and answer: of begin_answer.
  ToldAnswer(const Endpoint& endpoint, ApiRequest request, std::unique_ptr<Answer> answer);
  // A kept one. keeper outlives it; executor: where it is encoded when no reader is quicker.
  ToldAnswer(const Endpoint& endpoint, ApiRequest request, std::unique_ptr<Answer> answer, Place place,
             AnswerKeeper& keeper, net::any_io_executor executor);
  ~ToldAnswer();
  ToldAnswer(const ToldAnswer&) = delete;
  ToldAnswer& operator=(const ToldAnswer&) = delete;

  const std::string& id() const { return id_; }  // of the generation
  const Place& place() const { return place_; }
  const Endpoint& endpoint() const { return endpoint_; }
  bool kept() const { return keeper_ != nullptr; }
  // What a kept one takes before any text: about its own, and what the journal has of it.
  std::size_t first_bytes() const { return own_bytes + place_.body_bytes; }
  bool stream() const { return stream_; }
  const std::string& stream_type() const { return stream_type_; }
  std::size_t choices() const { return choices_; }

  // Once, but for one that was put off. ticket: what pays for it, null: nobody. capture: who listens, and is written at its end; may be null. deltas: that
  // a plain reader can take. What the service throws comes out of a plain one; a kept one fails with it.
  void start(Service& service, std::shared_ptr<Ledger::Ticket> ticket = {},
             std::shared_ptr<Capture> capture = {}, std::int32_t deltas = 0);
  bool started() const;

  // Of a kept one, the line of the request that began it and is done with it: written once this has ended, which may be so by now.
  // What the server's end cuts short, and the journal has, ends in another process, and there its line is written.
  void owe(AuditLine line);

  void cut_off(Refusal why);  // fails now, if it has not ended
  // Fails, if it has not begun to be computed and nothing is told of it; if it is not started yet, when it is. One that waits stays: those of its readers who have been
  // told nothing are refused.
  void withdraw(Refusal why);
  // Nobody will come any more: what runs is cancelled, unless it has readers. The bytes that the keeper knew of, once.
  std::size_t forget();
  void stop();  // nothing runs and nobody is told any more

  bool over() const;
  bool failed() const;   // and is over
  bool refused() const;  // likewise, before anything was told
  bool has_readers() const;
  GenerationRecord record() const;
  std::vector<runtime::ChoiceTimes> served() const;  // of choices that were

  static constexpr std::size_t own_bytes = 1024;  // what one takes without any text, about

 private:
  friend class AnswerReader;

  // keeper: null: a plain one.
  ToldAnswer(const Endpoint& endpoint, ApiRequest request, std::unique_ptr<Answer> answer, Place place,
             AnswerKeeper* keeper, net::any_io_executor executor);

  // What a reader has not been told yet.
  struct News {
    bool begun = false;                  // there is an answer: its head may go out
    std::string bytes{};                 // of a stream's body
    std::optional<Refusal> refusal{};    // in place of an answer
    std::optional<std::string> whole{};  // body of a whole answer
    bool over = false, failed = false;   // nothing follows
    std::size_t deltas = 0;              // in what was taken, of a plain answer: credit to give back
  };
  News take(EventLog::Reading& reading);
  std::string still_waiting();
  void grant(std::size_t deltas);
  void enter(AnswerReader* reader);
  void leave(AnswerReader* reader);
  void refuse_readers(const Refusal& why);

  void begin_feed();
  void wake();  // by the replica's threads, under the feed's lock
  void
  absorb();  // in place of a reader, who may sit in a write: all that a kept one has is counted and its end is told
  // All below: mutex_ is held. What they return is to be told to the keeper without it.
  enum class Tidings { none, over, put_off };
  Tidings begin(Service& service, std::int32_t deltas);
  Tidings encode(std::size_t* deltas = nullptr);
  void tell(DeltaFeed::News news);
  Tidings end_with(std::optional<Refusal> failure);
  void account();
  bool refused_untold() const;  // it is over, and there is no answer to tell
  GenerationRecord noted() const;
  bool ended() const;
  int status() const;  // that whoever comes now is told
  void write_owed();
  void write_capture();
  void tell_keeper(Tidings tidings);  // not this one

  const Endpoint& endpoint_;
  const Place place_;
  AnswerKeeper* const keeper_;
  const net::any_io_executor executor_;
  const std::string id_;
  const bool stream_;
  const std::size_t choices_;
  const bool named_tokens_;
  const std::vector<OwnName> own_names_;
  const std::string stream_type_;

  mutable std::mutex mutex_;            // guards the next
  runtime::GenerationRequest request_;  // until it is started; of one that waits, until it is over
  std::unique_ptr<Answer> answer_;      // until it is over
  std::shared_ptr<DeltaFeed> feed_;
  std::shared_ptr<MeteredSink> meter_;  // before it; null: not started
  std::unique_ptr<GenerationHandle> generation_;
  EventLog log_;
  std::optional<std::string> whole_;
  std::optional<Refusal> failure_;
  std::exception_ptr broken_;         // the encoder has failed
  std::optional<Refusal> withdrawn_;  // before it was started
  std::vector<runtime::ChoiceTimes> served_;
  std::optional<AuditLine> owed_;
  std::shared_ptr<Capture> capture_;       // null: there is none, or it is written
  std::size_t accounted_ = first_bytes();  // that the keeper knows of
  bool begun_ = false, over_ = false, stopped_ = false, forgotten_ = false;

  mutable std::mutex readers_mutex_;  // guards the next; nothing else is locked under it
  std::vector<AnswerReader*> readers_;
};

// One who reads an answer. While it lives, a kept answer is not forgotten as one that nobody reads. One owner; it is woken from
// any thread.
class AnswerReader {
 public:
  using News = ToldAnswer::News;

  explicit AnswerReader(std::shared_ptr<ToldAnswer> answer);
  ~AnswerReader();
  AnswerReader(const AnswerReader&) = delete;
  AnswerReader& operator=(const AnswerReader&) = delete;

  // Before anything is taken: goes on behind an event. Refused, if the stream can have no event of this id. What is no stream of
  // such events is told from its beginning.
  Expected<void> resume_after(std::string_view last_event_id);
  void listen(std::shared_ptr<Bell> bell);  // rung when there may be news, on its own strand

  ToldAnswer& answer() { return *answer_; }
  const std::shared_ptr<ToldAnswer>& shared_answer() const { return answer_; }
  // What there is to tell; the words that a client is told are those of the answer's endpoint. Throws what the encoder has.
  News take();
  std::string still_waiting() {
    return answer_->still_waiting();
  }                                                          // for a stream that was silent; may be empty
  void took(std::size_t deltas) { answer_->grant(deltas); }  // the client has: there is room for so many

 private:
  friend class ToldAnswer;
  const std::shared_ptr<ToldAnswer> answer_;
  EventLog::Reading reading_;
  void ring() const;  // readers_mutex_ is held
  // Guarded by the answer's readers_mutex_.
  std::shared_ptr<Bell> bell_;      // null: nobody listens yet
  std::optional<Refusal> refused_;  // what it is told, if it has been told nothing
};

// The log's and the client's words for a failure inside the server.
Refusal internal_failure();
void log_request_failure(const std::string& request_id, const std::string& failure);

}  // namespace troupe::actors::edge
