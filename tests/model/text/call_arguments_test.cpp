#include "model/text/call_arguments.hpp"

#include <gtest/gtest.h>

#include "runtime/base/file.hpp"

namespace troupe::model {
namespace {

using nlohmann::ordered_json;

bool takes_mappings(const std::string& source) {
  return takes_mappings(ChatTemplate::parse(source, "test"), {{"bos_token", "<s>"}, {"eos_token", "</s>"}});
}

// The template prints the arguments of each call by the expression.
bool expression_takes_mappings(const std::string& expression) {
  return takes_mappings("{% for m in messages %}{{ m.content or '' }}{% for c in m.tool_calls or [] %}" +
                        expression + "{% endfor %}{% endfor %}");
}

TEST(CallArguments, PublishedTemplatesGetWhatTheyTake) {
  const auto published = [](const std::string& name) {
    return takes_mappings(troupe::read_file(TEST_DATA "/jinja/templates/" + name + ".jinja", 1 << 20));
  };
  for (const char* name :
       {"deepseek-v3", "deepseek-v3.1", "deepseek-r1-distill", "deepseek-r1-distill-llama"})
    EXPECT_FALSE(published(name)) << name;
  for (const char* name : {"deepseek-v3.2", "deepseek-r1-distill-qwen", "llama-3.3", "qwen2.5"})
    EXPECT_TRUE(published(name)) << name;
  EXPECT_FALSE(takes_mappings(troupe::read_file(DEMO_MODEL "/chat_template.jinja", 1 << 20)));
}

TEST(CallArguments, AMappingIsForThoseThatLookInside) {
  EXPECT_TRUE(expression_takes_mappings("{{ c.function.arguments | tojson }}"));
  EXPECT_TRUE(
      expression_takes_mappings("{% if c.function.arguments is mapping %}"
                                "{{ c.function.arguments | tojson }}{% endif %}"));
  EXPECT_TRUE(expression_takes_mappings(
      "{% for k, v in c.function.arguments.items() %}<p={{ k }}>{{ v }}</p>{% endfor %}"));
}

TEST(CallArguments, TextIsForThoseThatPrintIt) {
  EXPECT_FALSE(expression_takes_mappings("{{ c.function.arguments }}"));
  EXPECT_FALSE(expression_takes_mappings("{{ '<call>' + c.function.arguments }}"));
  EXPECT_FALSE(
      expression_takes_mappings("{{ c.function.arguments if c.function.arguments is string "
                                "else c.function.arguments | tojson }}"));
  EXPECT_FALSE(takes_mappings("{{ bos_token }}no calls"));
  EXPECT_FALSE(takes_mappings("{{ raise_exception('no') }}"));
}

TEST(CallArguments, ContentIsATextForThoseThatFailAtNull) {
  const auto takes_null = [](const std::string& source) {
    return takes_null_content(ChatTemplate::parse(source, "test"), ordered_json::object());
  };
  EXPECT_TRUE(takes_null("{% for m in messages %}{{ m.content }}{% endfor %}"));
  EXPECT_FALSE(takes_null("{% for m in messages %}{{ 'x' in m.content }}{% endfor %}"));
  EXPECT_TRUE(takes_null("{{ raise_exception('no') }}"));
  EXPECT_FALSE(takes_null(troupe::read_file(TEST_DATA "/jinja/templates/qwen3.jinja", 1 << 20)));
  for (const char* name : {"deepseek-v3.1", "llama-3.3", "qwen2.5"})
    EXPECT_TRUE(
        takes_null(troupe::read_file(std::string(TEST_DATA "/jinja/templates/") + name + ".jinja", 1 << 20)))
        << name;
  const ordered_json messages = {{{"role", "user"}, {"content", "q"}},
                                 {{"role", "assistant"}, {"content", nullptr}}};
  EXPECT_EQ(with_texts(messages)[1]["content"], "");
  EXPECT_EQ(with_texts(messages)[0], messages[0]);
}

ordered_json calling(const std::string& arguments) {
  return {
      {{"role", "user"}, {"content", "q"}},
      {{"role", "assistant"},
       {"content", nullptr},
       {"tool_calls", {{{"type", "function"}, {"function", {{"name", "f"}, {"arguments", arguments}}}}}}}};
}

TEST(CallArguments, BecomeMappings) {
  const auto mapped = [](const std::string& arguments) {
    return with_mappings(calling(arguments)).value()[1]["tool_calls"][0]["function"]["arguments"].dump();
  };
  EXPECT_EQ(mapped(R"({"z": {"b": [1.5, "ü"]}, "a": null})"), R"({"z":{"b":[1.5,"ü"]},"a":null})");
  EXPECT_EQ(mapped(""), "{}");
  EXPECT_EQ(mapped(" \n"), "{}");
}

TEST(CallArguments, ThatAreNoObjectAreRefusedWithTheirPlace) {
  for (const std::string& arguments :
       {std::string("{\"a\": "), std::string("[1]"), std::string("\"a\""), std::string("null"),
        std::string("x"), "{\"a\": " + std::string(100'000, '[') + std::string(100'000, ']') + "}"}) {
    const auto refused = with_mappings(calling(arguments));
    ASSERT_FALSE(refused) << arguments.substr(0, 20);
    EXPECT_EQ(refused.error().param, "messages[1].tool_calls[0].function.arguments");
  }
}

}  // namespace
}  // namespace troupe::model
