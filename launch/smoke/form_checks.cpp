#include "launch/smoke/form_checks.hpp"

#include <algorithm>
#include <array>

#include "launch/server_answer.hpp"

namespace troupe::launch::smoke {
namespace {

using nlohmann::ordered_json;

// Marks of a model's own that no reader should see: whoever took the answer apart has missed them.
constexpr std::array marks{"<think>", "</think>", "<｜", "<|im_end|>", "<|endoftext|>", "<|eot_id|>"};

// The names of a counter at Troupe and at vLLM.
double counted(const load::ScrapedMetrics& metrics, const std::string& name) {
  for (const char* prefix : {"troupe_", "vllm:"})
    if (metrics.has(prefix + name)) return metrics.sum(prefix + name);
  throw Error("there is neither troupe_" + name + " nor vllm:" + name, "/metrics");
}

// Where two texts part.
std::string difference(const std::string& whole, const std::string& streamed) {
  const auto [first, second] = std::ranges::mismatch(whole, streamed);
  return "from byte " + std::to_string(first - whole.begin()) + " on, of " + std::to_string(whole.size()) +
         " whole and " + std::to_string(streamed.size()) + " streamed";
}

}  // namespace

Outcome check_health(Session& session) {
  const load::Page page = session.asker().get("/health");
  const std::string status = "status " + std::to_string(page.status);
  if (page.status == 200) return passed(status);
  const auto told = ordered_json::parse(page.body, nullptr, false);
  const bool has_word = told.is_object() && told.contains("status") && told.at("status").is_string();
  return failed(status +
                (has_word ? ": " + one_line(told.at("status").get<std::string>()) : reason_of(told)));
}

Outcome check_models(Session& session) {
  return passed(one_line(session.model()));
}

Outcome check_answer(Session& session) {
  const ChatAnswer& answer = session.answer();
  if (answer.content.empty() && answer.reasoning.empty()) return failed("it is empty");
  if (answer.finish_reason != "stop" && answer.finish_reason != "length")
    return failed("finish_reason is neither stop nor length, but '" + one_line(answer.finish_reason) + "'");
  if (answer.completion_tokens < 1 || answer.completion_tokens > most_answer_tokens)
    return failed("usage has " + std::to_string(answer.completion_tokens) +
                  " completion_tokens, of at most " + std::to_string(most_answer_tokens));
  for (const char* mark : marks)
    if (answer.content.find(mark) != std::string::npos)
      return failed("its content has " + std::string(mark) +
                    ": reasoning or special tokens were not taken out");
  return passed(std::to_string(answer.completion_tokens) + " tokens, then " + answer.finish_reason);
}

Outcome check_stream(Session& session) {
  const ChatAnswer& whole = session.answer();
  ordered_json request = session.question();
  request["stream"] = true;
  StreamedAnswer stream;
  session.asker().stream(chat_target, body_of(request), [&](std::string_view bytes) {
    stream.take(bytes);
    return true;
  });
  const ChatAnswer& streamed = stream.whole();
  if (streamed.content != whole.content)
    return failed("content differs " + difference(whole.content, streamed.content));
  if (streamed.reasoning != whole.reasoning)
    return failed("reasoning differs " + difference(whole.reasoning, streamed.reasoning));
  if (streamed.finish_reason != whole.finish_reason)
    return failed("finish_reason is '" + one_line(streamed.finish_reason) + "', and '" + whole.finish_reason +
                  "' of the whole answer");
  return passed("the bytes of the whole answer");
}

Outcome check_tools(Session& session) {
  if (!session.capable("tools").value_or(true))
    return left_out("the model's chat template does not print tools");
  const ChatAnswer& answer = session.tool_answer();
  if (answer.calls.empty()) return failed("no call of the tool that the request names");
  const CalledTool& call = answer.calls.front();
  if (call.name != "get_weather")
    return failed("a call of '" + one_line(call.name) + "', not of get_weather");
  const auto arguments = ordered_json::parse(call.arguments, nullptr, false);
  if (!arguments.is_object() || !arguments.contains("city") || !arguments.at("city").is_string())
    return failed("the arguments are no object with a city: " + one_line(call.arguments));
  return passed("a call of get_weather");
}

Outcome check_metrics(Session& session) {
  constexpr std::chrono::milliseconds between_looks{20};
  const load::ScrapedMetrics before = session.metrics();
  ordered_json request = session.question();
  request["max_tokens"] = 8;
  const ChatAnswer answer = session.ask(request);
  const TimePoint until = now() + session.asker().patience();
  for (;;) {  // the last of an answer may come before it is counted
    const load::ScrapedMetrics after = session.metrics();
    const double tokens =
                     counted(after, "generation_tokens_total") - counted(before, "generation_tokens_total"),
                 requests =
                     counted(after, "request_success_total") - counted(before, "request_success_total");
    if (tokens + 1 >= double(answer.completion_tokens) &&
        requests >= 1)  // one that ends an answer may not count
      return passed("they counted a request and its " + std::to_string(answer.completion_tokens) + " tokens");
    if (now() > until)
      return failed("a request of " + std::to_string(answer.completion_tokens) + " tokens was counted as " +
                    std::to_string(std::int64_t(requests)) + " of " + std::to_string(std::int64_t(tokens)));
    session.asker().pause(between_looks);
  }
}

}  // namespace troupe::launch::smoke
