#include "launch/load/load.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace troupe::launch::load {
namespace {

class Sender {
 public:
  Sender(StreamClient& client, const Load& load, std::function<void(const Exchange&)> done,
         const net::any_io_executor& executor)
      : client_(client), load_(load), done_(std::move(done)), ended_(executor), arrival_(executor) {}

  net::awaitable<std::vector<Exchange>> run() {
    exchanges_.resize(load_.bodies.size());
    begin_ = now();
    for (std::size_t i = 0; i < load_.bodies.size(); ++i) {
      const double arrival = load_.arrivals.empty() ? 0 : load_.arrivals[i];
      co_await until(arrival);
      while (load_.max_concurrency > 0 && active_ >= load_.max_concurrency) co_await ended_.wait();
      ++active_;
      net::co_spawn(ended_.strand(), one(i, arrival), net::detached);
    }
    while (active_ > 0) co_await ended_.wait();
    co_return std::move(exchanges_);
  }

 private:
  double elapsed() const { return std::chrono::duration<double>(now() - begin_).count(); }

  net::awaitable<void> until(double arrival) {
    if (arrival <= elapsed()) co_return;
    arrival_.expires_at(begin_ +
                        std::chrono::duration_cast<Duration>(std::chrono::duration<double>(arrival)));
    co_await arrival_.async_wait(net::use_awaitable);
  }

  net::awaitable<void> one(std::size_t index, double arrival) {
    const double start = elapsed();
    Exchange exchange = co_await client_.post(load_.target, load_.bodies[index]);
    exchange.start = start;
    exchange.queue_time = start - arrival;
    done_(exchange);
    exchanges_[index] = std::move(exchange);
    --active_;
    ended_.ring();
  }

  StreamClient& client_;
  const Load& load_;
  std::function<void(const Exchange&)> done_;
  actors::edge::Bell ended_;
  net::steady_timer arrival_;
  TimePoint begin_;
  std::int32_t active_ = 0;
  std::vector<Exchange> exchanges_;
};

}  // namespace

net::awaitable<std::vector<Exchange>> send(StreamClient& client, const Load& load,
                                           std::function<void(const Exchange&)> done) {
  Sender sender(client, load, std::move(done), co_await net::this_coro::executor);
  co_return co_await sender.run();
}

}  // namespace troupe::launch::load
