#include "launch/load/asker.hpp"

#include <boost/asio/co_spawn.hpp>
#include <exception>
#include <optional>

namespace troupe::launch::load {
namespace {

struct HeardEnough {};

}  // namespace

template <class Result>
Result Asker::finish(net::awaitable<Result> task) {
  std::exception_ptr failure;
  std::optional<Result> result;
  net::co_spawn(io_, std::move(task), [&](std::exception_ptr thrown, Result come) {
    failure = thrown;
    result = std::move(come);
    io_.stop();
  });
  io_.restart();
  io_.run();
  if (failure) std::rethrow_exception(failure);
  return std::move(*result);
}

Page Asker::get(const std::string& target) {
  return finish(client_.ask(http::verb::get, target, ""));
}

Page Asker::post(const std::string& target, const std::string& body) {
  return finish(client_.ask(http::verb::post, target, body));
}

std::vector<Page> Asker::post_together(const std::string& target, const std::vector<std::string>& bodies) {
  std::vector<Page> pages(bodies.size());
  std::exception_ptr failure;
  std::size_t open = bodies.size();
  if (open == 0) return pages;
  for (std::size_t i = 0; i < bodies.size(); ++i)
    net::co_spawn(io_, client_.ask(http::verb::post, target, bodies[i]),
                  [&, i](std::exception_ptr thrown, Page page) {
                    if (thrown) failure = thrown;
                    pages[i] = std::move(page);
                    if (--open == 0) io_.stop();
                  });
  io_.restart();
  io_.run();
  if (failure) std::rethrow_exception(failure);
  return pages;
}

void Asker::stream(const std::string& target, const std::string& body,
                   const std::function<bool(std::string_view)>& take) {
  std::exception_ptr failure;
  const StreamClient::Take each = [&](std::string_view bytes, TimePoint) {
    if (!take(bytes)) throw HeardEnough{};
  };
  net::co_spawn(io_, client_.stream(target, body, each), [&](std::exception_ptr thrown) {
    failure = thrown;
    io_.stop();
  });
  io_.restart();
  io_.run();
  try {
    if (failure) std::rethrow_exception(failure);
  } catch (const HeardEnough&) {
  }
}

void Asker::pause(Duration time) {
  net::steady_timer timer(io_, time);
  timer.async_wait([&](const boost::system::error_code&) { io_.stop(); });
  io_.restart();
  io_.run();
}

}  // namespace troupe::launch::load
