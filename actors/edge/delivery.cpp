#include "actors/edge/delivery.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

namespace troupe::actors::edge {
namespace {

// bell: rung on its own strand, whoever asks.
std::shared_ptr<DeltaFeed> make_feed(std::shared_ptr<Bell> bell) {
  return std::make_shared<DeltaFeed>(
      [bell = std::move(bell)] { net::post(bell->strand(), [bell] { bell->ring(); }); });
}

}  // namespace

Delivery::Delivery(Connection& connection, Service& service, const Exchange& exchange,
                   const Endpoint& endpoint, const config::ConnectionLimits& limits)
    : connection_(connection),
      service_(service),
      exchange_(exchange),
      endpoint_(endpoint),
      limits_(limits),
      bell_(std::make_shared<Bell>(connection.strand())),
      feed_(make_feed(bell_)) {}

Delivery::~Delivery() {
  feed_->close();
}

net::awaitable<Delivery::Outcome> Delivery::run(ApiRequest request, std::unique_ptr<Answer> answer,
                                                std::shared_ptr<Ledger::Ticket> ticket,
                                                std::shared_ptr<Capture> capture) {
  answer_ = std::move(answer);
  meter_ = std::make_shared<MeteredSink>(capture ? capture->listen(feed_, capture) : feed_, std::move(ticket),
                                         request.generation.max_tokens.has_value());
  stream_ = request.stream;
  own_names_ = std::move(request.own_names);
  connection_.watch(bell_);
  std::exception_ptr failure;
  try {
    generation_ = service_.generate(std::move(request.generation), meter_);
    grant(std::size_t(limits_.buffered_deltas));
    co_await deliver();
  } catch (...) {
    failure = std::current_exception();
  }
  if (failure && outcome_.status != 0) connection_.abort();  // the client sees that the answer is not whole
  co_await connection_.unwatch();
  outcome_.record = meter_->leave();
  if (failure) std::rethrow_exception(failure);
  if (outcome_.status == 0) outcome_.status = http_status(RefusalKind::cancelled);
  outcome_.connection_usable = !connection_.gone();
  co_return outcome_;
}

void Delivery::cut_off() {
  if (generation_) generation_->cancel();
  feed_->cut_off({RefusalKind::unavailable, "The server is shutting down.", "", "shutting_down"});
}

void Delivery::withdraw(Refusal why) {
  if (generation_ && outcome_.status == 0) generation_->withdraw(std::move(why));
}

void Delivery::grant(std::size_t deltas) {
  if (deltas == 0) return;
  feed_->expect(std::int32_t(deltas));
  generation_->grant(std::int32_t(deltas));
}

net::awaitable<void> Delivery::deliver() {
  bool over = false;
  while (!over && !connection_.gone()) {
    DeltaFeed::News news = co_await next_news();
    if (connection_.gone()) break;
    over = news.end || news.failure;
    if (news.failure) news.failure = in_own_names(own_names_, std::move(*news.failure));
    for (const runtime::Delta& each : news.deltas)
      if (each.served) outcome_.choices.push_back(*each.served);
    if (stream_)
      co_await send_part(std::move(news));
    else
      co_await send_whole(std::move(news));
  }
  if (connection_.gone()) {
    outcome_.end = "cancelled";
    if (!over) generation_->cancel();
  }
}

net::awaitable<DeltaFeed::News> Delivery::next_news() {
  const bool watched = stream_ && outcome_.status != 0;  // whoever waits for the head sees nothing yet
  net::steady_timer silence(connection_.strand());
  const auto silent = std::make_shared<bool>(false);  // the timer's, which may outlast this
  if (watched) {
    silence.expires_after(limits_.stream_silence);
    silence.async_wait([silent, bell = bell_](const error_code& error) {
      if (error) return;
      *silent = true;
      bell->ring();
    });
  }
  DeltaFeed::News news = feed_->take();
  while (news.empty() && !*silent && !connection_.gone()) {
    co_await bell_->wait();
    news = feed_->take();
  }
  co_return news;
}

net::awaitable<void> Delivery::send_part(DeltaFeed::News news) {
  const bool begun = outcome_.status != 0;
  if (news.failure && !begun && !news.accepted && news.deltas.empty()) {
    const Reply reply = endpoint_.refusal(*news.failure, exchange_.request_id);
    co_await send_reply(reply, "failed");
    co_return;
  }
  std::string events;
  if (news.accepted) answer_->begin(*news.accepted, events);
  for (const runtime::Delta& each : news.deltas) answer_->delta(each, events);
  if (news.end) answer_->end(*news.end, events);
  if (news.failure) answer_->failure(*news.failure, events);
  if (news.empty()) answer_->still_waiting(events);
  std::string bytes = begun ? std::string() : stream_head(exchange_, answer_->stream_type());
  outcome_.status = 200;
  if (!events.empty()) bytes += frame_stream_bytes(events, exchange_);
  if (news.end || news.failure) {
    bytes += stream_tail(exchange_);
    outcome_.end = news.end ? "complete" : "failed";
  }
  co_await send(std::move(bytes));
  if (!news.end && !news.failure && !connection_.gone()) grant(news.deltas.size());
}

net::awaitable<void> Delivery::send_whole(DeltaFeed::News news) {
  const std::size_t count = news.deltas.size();
  for (runtime::Delta& each : news.deltas) answer_->collect(std::move(each));
  if (news.failure) {
    const Reply reply = endpoint_.refusal(*news.failure, exchange_.request_id);
    co_await send_reply(reply, "failed");
  } else if (news.end) {
    const Reply reply = json_reply(200, answer_->whole(*news.end));
    co_await send_reply(reply, "complete");
  } else {
    grant(count);
  }
}

net::awaitable<void> Delivery::send_reply(const Reply& reply, const char* end) {
  outcome_.status = reply.status;
  outcome_.end = end;
  co_await send(whole_response(reply, exchange_));
}

net::awaitable<void> Delivery::send(std::string bytes) {
  co_await connection_.write(bytes);
}

}  // namespace troupe::actors::edge
