#include <algorithm>
#include <array>

#include "launch/server_answer.hpp"
#include "launch/smoke/form_checks.hpp"

namespace troupe::launch::smoke {
namespace {

using nlohmann::ordered_json;

constexpr std::size_t concurrent_questions = 8;
constexpr std::chrono::milliseconds between_looks{20};

// Generations that ended because their client left, as Troupe and vLLM count them.
double aborted(const load::ScrapedMetrics& metrics) {
  double sum = 0;
  for (const char* name : {"troupe_request_success_total", "vllm:request_success_total"})
    sum += metrics.sum(name, {{"finished_reason", "abort"}});
  return sum;
}

struct WrongRequest {
  const char* what;
  const char* fields;  // that replace the question's; null: no JSON at all
  unsigned status;
};
constexpr std::array wrong_requests{
    WrongRequest{"no JSON", nullptr, 400},
    WrongRequest{"a model that is not there", R"({"model": "no-such-model"})", 404},
    WrongRequest{"no messages", R"({"messages": []})", 400},
    WrongRequest{"a negative temperature", R"({"temperature": -1})", 400},
    WrongRequest{"max_tokens beyond the context", R"({"max_tokens": 1000000000})", 400},
};

// Empty: it was refused as it should be.
std::string fault_of_refusal(Session& session, const WrongRequest& wrong) {
  ordered_json request = session.question();
  if (wrong.fields) request.update(ordered_json::parse(wrong.fields));
  const load::Page page = session.asker().post(chat_target, wrong.fields ? body_of(request) : "{");
  const std::string what = std::string(wrong.what) + " got status " + std::to_string(page.status);
  if (page.status != wrong.status) return what + ", not " + std::to_string(wrong.status);
  if (reason_of(ordered_json::parse(page.body, nullptr, false)).empty()) return what + " without a message";
  return "";
}

}  // namespace

Outcome check_concurrency(Session& session) {
  const ChatAnswer& alone = session.answer();
  const std::vector<std::string> bodies(concurrent_questions, body_of(session.question()));
  std::size_t others = 0;
  for (const load::Page& page : session.asker().post_together(chat_target, bodies)) {
    if (page.status != 200)
      return failed("one of " + std::to_string(bodies.size()) + " at once got status " +
                    std::to_string(page.status));
    const ChatAnswer answer = read_answer(page.body);
    others += answer.content != alone.content || answer.reasoning != alone.reasoning;
  }
  if (others > 0)
    return failed(std::to_string(others) + " of " + std::to_string(bodies.size()) +
                  " at once differ from the answer alone, with one seed");
  return passed(std::to_string(bodies.size()) + " at once have the bytes of one alone");
}

Outcome check_cancellation(Session& session) {
  const load::ScrapedMetrics before = session.metrics();
  ordered_json request = session.question();
  request["stream"] = true;
  request["ignore_eos"] = true;
  request.erase("max_tokens");  // to the end of the context
  StreamedAnswer stream;
  session.asker().stream(chat_target, body_of(request), [&](std::string_view bytes) {
    stream.take(bytes);
    return !stream.begun();
  });
  const TimePoint left = now();
  for (;;) {
    const load::ScrapedMetrics after = session.metrics();
    if (aborted(after) > aborted(before)) return passed("the generation ended with its client");
    if (after.sum("troupe_kept_answers") > before.sum("troupe_kept_answers"))
      return left_out("the server keeps answers for clients that come back (--resume-window)");
    if (now() - left > session.asker().patience())
      return failed("no generation was counted as aborted after its client had left");
    session.asker().pause(between_looks);
  }
}

Outcome check_limits(Session& session) {
  for (const WrongRequest& each : wrong_requests)
    if (std::string fault = fault_of_refusal(session, each); !fault.empty()) return failed(std::move(fault));
  const unsigned after = session.asker().get("/health").status;
  if (after != 200) return failed("after refusals /health has status " + std::to_string(after));
  return passed(std::to_string(wrong_requests.size()) + " wrong requests were refused with a reason");
}

}  // namespace troupe::launch::smoke
