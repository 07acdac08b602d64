#include "launch/batch/batch.hpp"

#include <algorithm>
#include <thread>

#include "actors/edge/begin_answer.hpp"

namespace troupe::launch::batch {
namespace {

constexpr std::chrono::milliseconds service_poll{20};

// Whether the service had no room, which it may have later. A time that the operator has set is not waited for again.
bool may_be_asked_again(const Refusal& why) {
  if (why.kind == RefusalKind::rate_limited) return true;
  return why.kind == RefusalKind::unavailable && why.code != "queue_timeout" && why.code != "ttft_timeout";
}

}  // namespace

struct Batch::Exchange {
  std::uint64_t number = 0;  // of the line
  BatchLine line;
  // Of a line that asks something; made anew when it is asked again.
  std::vector<edge::OwnName> own_names;
  std::shared_ptr<edge::DeltaFeed> feed;
  std::unique_ptr<edge::Answer> answer;
  std::unique_ptr<actors::GenerationHandle> generation;

  void grant(std::size_t deltas) {
    if (deltas == 0) return;
    feed->expect(std::int32_t(deltas));
    generation->grant(std::int32_t(deltas));
  }
  ~Exchange() {
    if (feed) feed->close();
  }
};

void Batch::Arrivals::add(std::uint64_t line) {
  const std::lock_guard lock(mutex_);
  lines_.push_back(line);
  come_.notify_one();
}

std::vector<std::uint64_t> Batch::Arrivals::wait() {
  std::unique_lock lock(mutex_);
  come_.wait(lock, [this] { return !lines_.empty(); });
  return std::exchange(lines_, {});
}

Batch::Batch(actors::Service& service, BatchInput& input, BatchOutput& output, const BatchLimits& limits)
    : service_(service), input_(input), output_(output), limits_(limits), allowed_(limits.max_concurrency) {}

Batch::~Batch() = default;

void Batch::run(const std::function<void()>& written) {
  for (;;) {
    await_service();
    start_more();
    if (running_.empty() && ended_.empty()) return;
    if (!running_.empty())
      for (const std::uint64_t line : arrivals_->wait()) take_news(line);
    output_.write(std::exchange(ended_, {}));
    written();
  }
}

// It may be starting, or have turned a line away although nothing else runs: then that is asked again in a while.
void Batch::await_service() {
  bool pause = running_.empty() && !turned_away_.empty();
  while (pause || !service_.ready()) {
    if (!service_.healthy())
      throw Error("has failed; its log says why", "the model", "the same command goes on where it was");
    std::this_thread::sleep_for(service_poll);
    pause = false;
  }
}

void Batch::start_more() {
  while (running_.size() + ended_.size() < allowed_) {
    auto exchange = next_exchange();
    if (!exchange) return;
    start(std::move(exchange));
  }
}

std::unique_ptr<Batch::Exchange> Batch::next_exchange() {
  if (!turned_away_.empty()) {
    auto first = std::move(turned_away_.front());
    turned_away_.pop_front();
    return first;
  }
  auto line = input_.next();
  while (line && output_.has(line->number)) line = input_.next();
  if (!line) return nullptr;
  auto exchange = std::make_unique<Exchange>();
  exchange->number = line->number;
  exchange->line = parse_batch_line(line->text, limits_.request);
  return exchange;
}

void Batch::start(std::unique_ptr<Exchange> exchange) {
  const std::uint64_t number = exchange->number;
  if (exchange->line.fault) return ended_.push_back({number, fault_text(exchange->line, request_id(number))});
  auto request = parse_batch_request(exchange->line, service_.model(), limits_.request);
  if (!request)
    return ended_.push_back({number, refusal_text(exchange->line, request_id(number), request.error())});
  edge::BegunAnswer begun = begin_answer(*request, request_id(number), service_.model());
  if (begun.whole)
    return ended_.push_back(
        {number, answer_text(exchange->line, request_id(number), 200, std::move(*begun.whole))});
  request->generation.times = limits_.times;
  request->generation.filter = limits_.filter;
  exchange->own_names = std::move(request->own_names);
  exchange->answer = std::move(begun.answer);
  exchange->feed =
      std::make_shared<edge::DeltaFeed>([arrivals = arrivals_, number] { arrivals->add(number); });
  exchange->generation = service_.generate(std::move(request->generation), exchange->feed);
  exchange->grant(std::size_t(limits_.buffered_deltas));
  running_.emplace(number, std::move(exchange));
}

void Batch::take_news(std::uint64_t line) {
  Exchange& exchange = *running_.at(line);
  edge::DeltaFeed::News news = exchange.feed->take();
  if (news.failure && may_be_asked_again(*news.failure)) return turn_away(line);
  if (news.failure)
    return end(line, refusal_text(exchange.line, request_id(line),
                                  edge::in_own_names(exchange.own_names, std::move(*news.failure))));
  const std::size_t count = news.deltas.size();
  for (runtime::Delta& each : news.deltas) exchange.answer->collect(std::move(each));
  if (news.end)
    return end(line, answer_text(exchange.line, request_id(line), 200, exchange.answer->whole(*news.end)));
  exchange.grant(count);
}

void Batch::end(std::uint64_t line, std::string text) {
  running_.erase(line);
  ended_.push_back({line, std::move(text)});
  allowed_ = std::min(allowed_ + 1, limits_.max_concurrency);
}

void Batch::turn_away(std::uint64_t line) {
  turned_away_.push_back(std::move(running_.at(line)));
  running_.erase(line);
  allowed_ = std::max<std::size_t>(1, running_.size());
}

// The same whenever the line is asked: so is its answer after a kill, if it has a seed or is greedy.
std::string Batch::request_id(std::uint64_t line) const {
  constexpr std::size_t digits = 24;
  return input_.digest().substr(0, digits) + "-" + std::to_string(line);
}

}  // namespace troupe::launch::batch
