// Asks a server one thing after the other, for commands that have nothing else to do meanwhile. One owner.
#pragma once

#include <string>
#include <vector>

#include "launch/load/stream_client.hpp"

namespace troupe::launch::load {

class Asker {
 public:
  // patience: for a whole answer, and of a stream for its next bytes.
  Asker(ServerUrl url, Headers headers, Duration patience)
      : patience_(patience), client_(io_, std::move(url), std::move(headers), patience) {}

  Duration patience() const { return patience_; }

  // These return answers of any status, and throw Error where there is none.
  Page get(const std::string& target);
  Page post(const std::string& target, const std::string& body);
  // All at the same time; in the order of the bodies.
  std::vector<Page> post_together(const std::string& target, const std::vector<std::string>& bodies);
  // Until the answer has ended, or take returns false: then the connection is closed. Throws Error, for another status
  // than 200, too.
  void stream(const std::string& target, const std::string& body,
              const std::function<bool(std::string_view)>& take);
  void pause(Duration time);

 private:
  template <class Result>
  Result finish(net::awaitable<Result> task);

  net::io_context io_{1};
  const Duration patience_;
  StreamClient client_;
};

}  // namespace troupe::launch::load
