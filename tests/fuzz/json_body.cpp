// A request's body, read by the parser of every protocol; where it is one, its answer is made.
#include <array>

#include "actors/edge/anthropic/messages_request.hpp"
#include "actors/edge/ollama/requests.hpp"
#include "actors/edge/openai/endpoints.hpp"
#include "actors/edge/reply.hpp"
#include "actors/edge/tgi/endpoints.hpp"
#include "tests/fuzz/bytes.hpp"

namespace troupe::actors::edge {
namespace {

constexpr std::array<ParseRequest, 7> parsers{openai::parse_chat_request,
                                              openai::parse_completion_request,
                                              openai::parse_response_request,
                                              anthropic::parse_messages_request,
                                              ollama::parse_chat_request,
                                              ollama::parse_generate_request,
                                              tgi::parse_either};

void answer(const ApiRequest& request) {
  const auto answer = request.answer({"id", "demo", "fp", 1, "rid"});
  std::string out;
  answer->begin({}, out);
  for (std::size_t i = 0; i < request.choices(); ++i) {
    runtime::Delta last;
    last.choice = std::int32_t(i);
    last.content = "text";
    last.finish = runtime::ChoiceEnd::stop;
    if (request.stream)
      answer->delta(last, out);
    else
      answer->collect(std::move(last));
  }
  if (request.stream)
    answer->end({}, out);
  else
    (void)dump(answer->whole({}));
}

void run(std::string_view bytes) {
  static const ModelInfo model{{"demo"}, "demo", 2048, 0, "fp", "", 0, true, true};
  const config::RequestLimits limits;
  const auto body = parse_body(bytes, limits);
  if (!body) return;
  for (const ParseRequest parse : parsers) {
    const auto request = parse(*body, model, limits);
    if (request)
      answer(*request);
    else
      (void)refusal_reply(request.error());
  }
  (void)anthropic::parse_prompt(*body, model, limits);
}

}  // namespace
}  // namespace troupe::actors::edge

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  troupe::actors::edge::run(troupe::fuzz::text_of(data, size));
  return 0;
}
