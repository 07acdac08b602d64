#include "launch/batch/batch_line.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "launch/json_lines.hpp"

namespace troupe::launch::batch {
namespace {

using ::testing::HasSubstr;

const config::RequestLimits limits;
const actors::ModelInfo model{{"demo"}, "demo", 2048, 1700000000, "fp_demo"};

BatchLine parse(const std::string& text) {
  return parse_batch_line(text, limits);
}

Json valid() {
  return {{"custom_id", "a"},
          {"method", "POST"},
          {"url", "/v1/chat/completions"},
          {"body", {{"model", "demo"}, {"messages", {{{"role", "user"}, {"content", "hi"}}}}}}};
}

std::string fault_code(const Json& line) {
  const BatchLine parsed = parse(line.dump());
  EXPECT_FALSE(parsed.endpoint);
  return parsed.fault ? parsed.fault->code : "none";
}

TEST(BatchLine, AsksTheEndpointOfItsUrl) {
  const BatchLine line = parse(valid().dump());
  ASSERT_FALSE(line.fault);
  EXPECT_EQ(line.custom_id, "a");
  EXPECT_EQ(line.endpoint->path, "/v1/chat/completions");
  EXPECT_TRUE(parse_batch_request(line, model, limits));
  Json completion = valid();
  completion["url"] = "http://host/v1/completions?x=1";
  completion["body"] = {{"model", "demo"}, {"prompt", "hi"}};
  EXPECT_EQ(parse(completion.dump()).endpoint->path, "/v1/completions");
}

TEST(BatchLine, EachFieldHasItsFault) {
  for (const char* name : {"custom_id", "method", "url", "body"}) {
    Json line = valid();
    line.erase(name);
    EXPECT_EQ(fault_code(line), std::string("invalid_") + name);
    for (const Json& wrong : {Json(), Json(1), Json(true), Json(""), Json(Json::array())}) {
      line = valid();
      line[name] = wrong;
      EXPECT_EQ(fault_code(line), std::string("invalid_") + name) << wrong;
    }
  }
  Json line = valid();
  line["method"] = "GET";
  EXPECT_EQ(fault_code(line), "invalid_method");
  for (const char* url : {"/v1/models", "/metrics", "/v1/nothing", "v1", "/%"}) {
    line = valid();
    line["url"] = url;
    EXPECT_EQ(fault_code(line), "invalid_url") << url;
  }
}

TEST(BatchLine, WhatIsNoObjectIsAFault) {
  for (const std::string& text :
       {std::string("no json"), std::string("[]"), std::string("1"), std::string("{\"a\""),
        std::string("\"\xff\""), std::string(max_line_bytes + 1, '{')}) {
    const BatchLine line = parse(text);
    ASSERT_TRUE(line.fault);
    const Json told = Json::parse(fault_text(line, "id"));
    EXPECT_EQ(told["id"], "batch_req_id");
    EXPECT_TRUE(told["custom_id"].is_null());
    EXPECT_TRUE(told["response"].is_null());
    EXPECT_THAT(told["error"]["message"].get<std::string>(), HasSubstr("line"));
    EXPECT_TRUE(told["error"]["code"].is_string());
  }
}

TEST(BatchLine, AFaultNamesTheLineThatItIsOf) {
  Json line = valid();
  line["url"] = "/v1/nothing";
  EXPECT_EQ(Json::parse(fault_text(parse(line.dump()), "id"))["custom_id"], "a");
}

TEST(BatchLine, WhatTheEndpointRefusesIsAResponse) {
  Json line = valid();
  line["body"]["temperature"] = "hot";
  BatchLine parsed = parse(line.dump());
  auto request = parse_batch_request(parsed, model, limits);
  ASSERT_FALSE(request);
  const Json told = Json::parse(refusal_text(parsed, "id", request.error()));
  EXPECT_EQ(told["custom_id"], "a");
  EXPECT_EQ(told["response"]["status_code"], 400);
  EXPECT_EQ(told["response"]["request_id"], "id");
  EXPECT_EQ(told["response"]["body"]["error"]["param"], "temperature");
  EXPECT_TRUE(told["error"].is_null());
  line = valid();
  line["body"]["model"] = "other";
  parsed = parse(line.dump());
  request = parse_batch_request(parsed, model, limits);
  ASSERT_FALSE(request);
  EXPECT_EQ(Json::parse(refusal_text(parsed, "id", request.error()))["response"]["status_code"], 404);
}

TEST(BatchLine, AnswersDoNotStream) {
  Json line = valid();
  line["body"]["stream"] = true;
  const auto request = parse_batch_request(parse(line.dump()), model, limits);
  ASSERT_FALSE(request);
  EXPECT_EQ(request.error().param, "stream");
}

TEST(BatchLine, AnAnswerIsWholeThoughItsProtocolWouldStream) {
  Json line = valid();
  line["url"] = "/api/chat";
  const auto request = parse_batch_request(parse(line.dump()), model, limits);
  ASSERT_TRUE(request) << request.error().message;
  EXPECT_FALSE(request->stream);
  line["body"]["stream"] = true;
  EXPECT_FALSE(parse_batch_request(parse(line.dump()), model, limits));
  line["url"] = "/generate_stream";
  line["body"] = {{"inputs", "a"}};
  const auto streamed = parse_batch_request(parse(line.dump()), model, limits);
  ASSERT_FALSE(streamed);
  EXPECT_EQ(streamed.error().param, "stream");
}

TEST(BatchLine, AnAnswerIsAResponse) {
  EXPECT_EQ(
      answer_text(parse(valid().dump()), "id", 200, {{"x", 1}}),
      R"({"id":"batch_req_id","custom_id":"a","response":{"status_code":200,"request_id":"id","body":{"x":1}},)"
      R"("error":null})");
}

}  // namespace
}  // namespace troupe::launch::batch
