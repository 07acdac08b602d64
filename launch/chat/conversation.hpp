// A conversation with a model behind a chat completions endpoint: what was said so far, and the next answer. Belongs to
// the thread that calls it, which runs the requests, too.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "launch/chat/interrupts.hpp"
#include "launch/chat/screen.hpp"
#include "launch/load/stream_client.hpp"

namespace troupe::launch::chat {

struct Partner {
  ServerUrl url;                      // where the API begins, without /v1
  load::Headers headers;              // of each request
  std::string model;                  // empty: the first that the server names
  Duration silence{};                 // nothing comes for so long: the answer has failed
  std::string system;                 // message; empty: none
  nlohmann::ordered_json extra_body;  // fields of each request
};

class Conversation {
 public:
  // interrupts and screen outlive this.
  Conversation(Partner partner, const Interrupts& interrupts, Screen& screen);

  // The answer is shown as it comes, until it ends or an interrupt comes; what was said belongs to the conversation. Where
  // that is nothing, the message does not, either.
  // Throws Error when there is no answer; then nothing was said.
  void say(const std::string& text);
  void reset();  // nothing has been said

 private:
  // False: an interrupt came before the end.
  bool ask(const load::StreamClient::Take& take);
  load::net::awaitable<void> request(load::StreamClient& client, const load::StreamClient::Take& take);

  Partner partner_;
  const Interrupts& interrupts_;
  Screen& screen_;
  nlohmann::ordered_json messages_;
};

}  // namespace troupe::launch::chat
