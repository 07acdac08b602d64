// What a chat completion says, whole or as a stream: its first choice. Plain values; any thread.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "launch/load/event_splitter.hpp"

namespace troupe::launch::smoke {

struct CalledTool {
  std::string name, arguments;  // arguments: a text that should be a JSON object
};

struct ChatAnswer {
  std::string content{}, reasoning{};
  bool has_reasoning = false;  // a text, if only an empty one
  std::string finish_reason{};
  std::vector<CalledTool> calls{};
  std::int64_t completion_tokens = 0;
};

// Throws Error, which says what is missing, for what is no chat completion.
ChatAnswer read_answer(const std::string& page);

// The same, of a stream's events. One owner.
class StreamedAnswer {
 public:
  // Bytes split anywhere. Throws Error for an error that the server tells, and for what are no chunks.
  void take(std::string_view bytes);
  // Whether a token has come.
  bool begun() const { return !answer_.content.empty() || !answer_.reasoning.empty(); }
  // Throws Error if the stream did not come to its end, [DONE].
  const ChatAnswer& whole() const;

 private:
  void event(std::string_view data);

  load::EventSplitter events_;
  ChatAnswer answer_;
  bool done_ = false;
};

}  // namespace troupe::launch::smoke
