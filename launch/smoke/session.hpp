// What the checks ask a server, each thing once. Belongs to the thread that asks.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>

#include "launch/load/asker.hpp"
#include "launch/load/scraped_metrics.hpp"
#include "launch/smoke/answer.hpp"

namespace troupe::launch::smoke {

constexpr const char* chat_target = "/v1/chat/completions";
constexpr int most_answer_tokens = 256;

class Session {
 public:
  // model: empty: the first that the server names. asker outlives this.
  Session(load::Asker& asker, std::string model) : asker_(asker), model_(std::move(model)) {}

  load::Asker& asker() { return asker_; }

  // All of these throw Error for what does not come; of answers, once for whoever asks first, and NothingToCheck then.
  const std::string& model();
  const ChatAnswer& answer();      // to the question
  const ChatAnswer& thoughtful();  // likewise, where the model is told to think
  const ChatAnswer& tool_answer();
  load::ScrapedMetrics metrics();

  // The question's request: 17 * 23, sampled as R1's makers recommend, with a seed.
  nlohmann::ordered_json question();
  // The same for one that has to call get_weather for Paris.
  nlohmann::ordered_json tool_question();
  ChatAnswer ask(const nlohmann::ordered_json& request);

  // Whether the model has a capability, "tools" or "thinking", as /api/show tells; nothing where the server does not.
  std::optional<bool> capable(const std::string& of);

 private:
  struct Asked {
    bool done = false;
    std::optional<ChatAnswer> answer;
  };
  const ChatAnswer& once(Asked& asked, const nlohmann::ordered_json& request);

  load::Asker& asker_;
  std::string model_;
  Asked answer_, thoughtful_, tool_answer_;
  std::optional<std::optional<std::set<std::string>>> capabilities_;  // once asked
};

// As it is sent; a text that is no UTF-8 has replacements.
std::string body_of(const nlohmann::ordered_json& request);

}  // namespace troupe::launch::smoke
