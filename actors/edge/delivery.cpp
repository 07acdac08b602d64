#include "actors/edge/delivery.hpp"

namespace troupe::actors::edge {
namespace {

// Made outside of coroutines: GCC 12 cannot compile their initialisers inside.
Reply whole_reply(std::string body, const HeaderFields& fields) {
  return {.body = std::move(body), .headers = fields};
}
Refusal shutting_down() {
  return {RefusalKind::unavailable, "The server is shutting down.", "", "shutting_down"};
}

}  // namespace

Delivery::Delivery(Connection& connection, std::unique_ptr<AnswerReader> reader, const Exchange& exchange,
                   HeaderFields fields, const config::ConnectionLimits& limits)
    : connection_(connection),
      bell_(std::make_shared<Bell>(connection.strand())),
      reader_(std::move(reader)),
      exchange_(exchange),
      fields_(std::move(fields)),
      limits_(limits),
      stream_(reader_->answer().stream()) {
  reader_->listen(bell_);
}

net::awaitable<Delivery::Outcome> Delivery::run() {
  connection_.watch(bell_);
  try {
    co_await deliver();
  } catch (...) {
    outcome_.broken = std::current_exception();
  }
  reader_.reset();
  if (outcome_.broken && outcome_.status != 0)
    connection_.abort();  // the client sees that the answer is not whole
  co_await connection_.unwatch();
  if (outcome_.status == 0) outcome_.status = http_status(RefusalKind::cancelled);
  outcome_.connection_usable = !connection_.gone();
  co_return outcome_;
}

void Delivery::cut_off() {
  if (reader_) reader_->answer().cut_off(shutting_down());
}

void Delivery::withdraw(Refusal why) {
  if (reader_ && outcome_.status == 0) reader_->answer().withdraw(std::move(why));
}

net::awaitable<void> Delivery::deliver() {
  bool over = false;
  while (!over && !connection_.gone()) {
    AnswerReader::News news = co_await next_news();
    if (connection_.gone()) break;
    over = news.over || (exchange_.head_only && stream_ && news.begun);
    const std::size_t deltas = news.deltas;
    if (news.refusal) {
      const Reply reply = reader_->answer().endpoint().refusal(*news.refusal, exchange_.request_id);
      co_await send_reply(reply, "failed");
    } else if (stream_) {
      co_await send_part(std::move(news));
    } else if (news.whole) {
      const Reply reply = whole_reply(std::move(*news.whole), fields_);
      co_await send_reply(reply, "complete");
    }
    if (!over && !connection_.gone()) reader_->took(deltas);
  }
  if (connection_.gone()) outcome_.end = over || !reader_->answer().kept() ? "cancelled" : "detached";
}

bool Delivery::nothing_in(const AnswerReader::News& news) const {
  const bool head = stream_ && news.begun && outcome_.status == 0;
  return !head && !news.over && news.bytes.empty() && news.deltas == 0;
}

bool Delivery::head_alone(const AnswerReader::News& news) const {
  return stream_ && outcome_.status == 0 && !exchange_.head_only && news.begun && !news.over &&
         !news.refusal && news.bytes.empty() && news.deltas == 0;
}

net::awaitable<AnswerReader::News> Delivery::next_news() {
  Alarm alarm(connection_.strand(), bell_);
  if (stream_ && outcome_.status != 0) alarm.set(limits_.stream_silence);
  AnswerReader::News news = reader_->take();
  while ((nothing_in(news) || head_alone(news)) && !alarm.rang() && !connection_.gone()) {
    if (head_alone(news) && !alarm.is_set()) alarm.set(head_waits);
    co_await bell_->wait();
    news = reader_->take();
  }
  if (nothing_in(news) && alarm.rang()) news.bytes = reader_->still_waiting();
  co_return news;
}

net::awaitable<void> Delivery::send_part(AnswerReader::News news) {
  std::string bytes =
      outcome_.status != 0 ? std::string() : stream_head(exchange_, reader_->answer().stream_type(), fields_);
  outcome_.status = 200;
  if (!exchange_.head_only) {
    if (!news.bytes.empty()) bytes += frame_stream_bytes(news.bytes, exchange_);
    if (news.over) bytes += stream_tail(exchange_);
  }
  if (news.over || exchange_.head_only) outcome_.end = news.failed ? "failed" : "complete";
  co_await connection_.write(bytes);
}

net::awaitable<void> Delivery::send_reply(const Reply& reply, const char* end) {
  outcome_.status = reply.status;
  outcome_.end = end;
  const std::string bytes = whole_response(reply, exchange_);
  co_await connection_.write(bytes);
}

}  // namespace troupe::actors::edge
