#include <gtest/gtest.h>

#include "actors/edge/tgi/endpoints.hpp"

namespace troupe::actors::edge::tgi {
namespace {

const ModelInfo model{{"demo"}, "demo", 2048, 0, "fp"};

Expected<ApiRequest> parse(const char* parameters) {
  return parse_generate({{"inputs", "hi"}, {"parameters", Json::parse(parameters)}}, model, {});
}
runtime::GenerationRequest read(const char* parameters) {
  const auto request = parse(parameters);
  EXPECT_TRUE(request) << (request ? "" : request.error().message);
  return request ? request->generation : runtime::GenerationRequest();
}
std::string fault(const Expected<ApiRequest>& request) {
  return request ? "none" : request.error().param;
}

TEST(GenerateRequest, TakesTheLikeliestTokensUnlessItIsToldToSample) {
  const auto plain = read("{}");
  EXPECT_EQ(std::get<std::string>(plain.prompts.at(0)), "hi");
  EXPECT_EQ(plain.max_tokens, 100);
  EXPECT_EQ(plain.temperature, 0);
  EXPECT_EQ(plain.logprobs, 0);
  EXPECT_EQ(read(R"({"temperature": 1.0, "top_p": 1.0, "top_k": 0})").temperature, 0);
  EXPECT_EQ(read(R"({"do_sample": true})").temperature, 1);
  EXPECT_EQ(read(R"({"top_k": 5})").temperature, 1);
  EXPECT_EQ(read(R"({"top_p": 0.5})").top_p, 0.5f);
  EXPECT_EQ(read(R"({"temperature": 0.5})").temperature, 0.5f);
  EXPECT_EQ(read(R"({"do_sample": true})").top_k, 0);  // whatever the checkpoint's default is
}

TEST(GenerateRequest, ReadsEachParameter) {
  const auto request =
      parse(R"({"max_new_tokens": 5, "repetition_penalty": 1.5, "frequency_penalty": 0.5, "seed": 3,
      "stop": ["a", "b"], "details": true, "decoder_input_details": true, "truncate": 10, "top_n_tokens": 2, "best_of": 1,
      "typical_p": 1, "watermark": false, "return_full_text": true, "grammar": {"type": "regex", "value": "a+"}})");
  ASSERT_TRUE(request) << request.error().message;
  const runtime::GenerationRequest& g = request->generation;
  EXPECT_EQ(g.max_tokens, 5);
  EXPECT_EQ(g.repetition_penalty, 1.5f);
  EXPECT_EQ(g.frequency_penalty, 0.5f);
  EXPECT_EQ(g.seed, 3u);
  EXPECT_EQ(g.stop, (std::vector<std::string>{"a", "b"}));
  EXPECT_TRUE(g.include_stop_str_in_output);
  EXPECT_EQ(g.prompt_logprobs, 0);
  EXPECT_EQ(g.truncate_prompt_tokens, 10);
  EXPECT_EQ(g.logprobs, 2);
  ASSERT_TRUE(g.grammar);
  EXPECT_EQ(g.grammar->kind, GrammarSpec::Kind::regex);
  EXPECT_FALSE(request->stream);
  const auto answer = request->answer({});
  runtime::Delta last;
  last.content = "!";
  last.finish = runtime::ChoiceEnd::length;
  answer->collect(last);
  EXPECT_EQ(answer->whole({})["generated_text"], "hi!");
}

TEST(GenerateRequest, GrammarsInItsWords) {
  EXPECT_EQ(read(R"({"grammar": {"type": "json", "value": {"type": "object"}}})").grammar->text,
            R"({"type":"object"})");
  EXPECT_EQ(
      read(R"({"grammar": {"type": "json_schema", "value": {"name": "n", "schema": {"type": "object"}}}})")
          .grammar->text,
      R"({"type":"object"})");
}

TEST(GenerateRequest, StreamsWhereItIsAskedTo) {
  const Json body = {{"inputs", "hi"}};
  EXPECT_FALSE(parse_generate(body, model, {})->stream);
  EXPECT_TRUE(parse_generate_stream(body, model, {})->stream);
  EXPECT_FALSE(parse_either(body, model, {})->stream);
  EXPECT_TRUE(parse_either({{"inputs", "hi"}, {"stream", true}}, model, {})->stream);
  EXPECT_EQ(fault(parse_either({{"inputs", "hi"}, {"stream", 1}}, model, {})), "stream");
}

TEST(GenerateRequest, LaterFaultsHaveItsNames) {
  const auto told = [](const char* param) {
    return in_own_names(parse("{}")->own_names, {RefusalKind::invalid, "", param, ""}).param;
  };
  EXPECT_EQ(told("max_tokens"), "parameters.max_new_tokens");
  EXPECT_EQ(told("response_format"), "parameters.grammar");
  EXPECT_EQ(told("prompt"), "inputs");
}

TEST(GenerateRequest, RefusesByName) {
  EXPECT_EQ(fault(parse_generate(Json::object(), model, {})), "inputs");
  EXPECT_EQ(fault(parse_generate({{"inputs", 5}}, model, {})), "inputs");
  EXPECT_EQ(fault(parse_generate({{"inputs", "a"}, {"parameters", 5}}, model, {})), "parameters");
  const std::pair<const char*, const char*> cases[] = {
      {R"({"max_new_tokens": 0})", "max_new_tokens"},
      {R"({"temperature": -1})", "temperature"},
      {R"({"top_p": 0})", "top_p"},
      {R"({"top_k": -1})", "top_k"},
      {R"({"repetition_penalty": 0})", "repetition_penalty"},
      {R"({"seed": -1})", "seed"},
      {R"({"stop": [1]})", "stop"},
      {R"({"stop": "x"})", "stop"},
      {R"({"stop": [""]})", "stop"},
      {R"({"truncate": 0})", "truncate"},
      {R"({"best_of": 2})", "best_of"},
      {R"({"typical_p": 0.5})", "typical_p"},
      {R"({"watermark": true})", "watermark"},
      {R"({"adapter_id": "a"})", "adapter_id"},
      {R"({"details": 1})", "details"},
      {R"({"grammar": {}})", "grammar.type"},
      {R"({"grammar": {"type": "json"}})", "grammar.value"},
      {R"({"grammar": {"type": "bnf", "value": "x"}})", "grammar.type"},
      {R"({"top_n_tokens": 21})", "top_n_tokens"}};
  EXPECT_EQ(parse(R"({"seed": -1})").error().message, "Invalid 'parameters.seed'. Expected a value >= 0.");
  for (const auto& [parameters, field] : cases)
    EXPECT_EQ(fault(parse(parameters)), std::string("parameters.") + field) << parameters;
  EXPECT_EQ(fault(parse_generate_stream({{"inputs", "a"}, {"parameters", {{"decoder_input_details", true}}}},
                                        model, {})),
            "parameters.decoder_input_details");
}

}  // namespace
}  // namespace troupe::actors::edge::tgi
