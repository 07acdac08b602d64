#include "launch/chat/conversation.hpp"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>

#include "launch/server_answer.hpp"

namespace troupe::launch::chat {

using load::net::awaitable;
using load::net::posix::stream_descriptor;
using nlohmann::ordered_json;

Conversation::Conversation(Partner partner, const Interrupts& interrupts, Screen& screen)
    : partner_(std::move(partner)), interrupts_(interrupts), screen_(screen) {
  reset();
}

void Conversation::reset() {
  messages_ = ordered_json::array();
  if (!partner_.system.empty()) messages_.push_back({{"role", "system"}, {"content", partner_.system}});
}

void Conversation::say(const std::string& text) {
  const ordered_json before = messages_;
  messages_.push_back({{"role", "user"}, {"content", text}});
  std::string said;
  AnswerStream answer([&](const Piece& piece) {
    said += piece.content;
    screen_.tell(piece);
  });
  const load::StreamClient::Take take = [&](std::string_view bytes, TimePoint) { answer.take(bytes); };
  try {
    if (ask(take)) answer.end();
  } catch (const Error&) {
    screen_.end_answer();
    messages_ = before;
    throw;
  }
  screen_.end_answer();
  if (said.empty())
    messages_ = before;  // servers refuse an empty message, and would in every request from here on
  else
    messages_.push_back({{"role", "assistant"}, {"content", said}});
}

// The client goes when this returns, and with its connection the answer that it did not read to the end.
bool Conversation::ask(const load::StreamClient::Take& take) {
  load::net::io_context io(1);
  load::StreamClient client(io, partner_.url, partner_.headers, partner_.silence);
  interrupts_.forget();
  stream_descriptor interrupt(io, interrupts_.descriptor().release());
  bool interrupted = false;
  interrupt.async_wait(stream_descriptor::wait_read, [&](const boost::system::error_code& error) {
    if (error) return;
    interrupted = true;
    io.stop();
  });
  std::exception_ptr failure;
  load::net::co_spawn(io, request(client, take), [&](std::exception_ptr thrown) {
    failure = thrown;
    io.stop();
  });
  io.run();
  if (failure) std::rethrow_exception(failure);
  return !interrupted;
}

awaitable<void> Conversation::request(load::StreamClient& client, const load::StreamClient::Take& take) {
  if (partner_.model.empty()) {
    const std::string target = "/v1/models", page = co_await client.get(target);
    partner_.model = first_model(page, partner_.url.authority);
  }
  ordered_json body{{"model", partner_.model}, {"messages", messages_}, {"stream", true}};
  body.update(partner_.extra_body);
  const std::string text = body.dump(-1, ' ', false, ordered_json::error_handler_t::replace),
                    target = "/v1/chat/completions";
  co_await client.stream(target, text, take);
}

}  // namespace troupe::launch::chat
