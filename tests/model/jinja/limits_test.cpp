// Each limit of TemplateLimits, hit; and templates that are broken at random.
#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "tests/model/jinja/rendering.hpp"

namespace troupe::model {
namespace {

TEST(Limits, Source) {
  TemplateLimits limits;
  limits.source_bytes = 10;
  EXPECT_EQ(error_of_parse("0123456789", limits), "");
  EXPECT_NE(error_of_parse("0123456789a", limits).find("more than 10 bytes"), std::string::npos);
}

std::string repeated(const std::string& part, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += part;
  return all;
}

TEST(Limits, SyntaxDepth) {
  EXPECT_EQ(error_of_parse("{{ " + repeated("(", 100) + "1" + repeated(")", 100) + " }}"), "");
  const std::string deep[] = {"{{ " + repeated("(", 9000) + "1" + repeated(")", 9000) + " }}",
                              "{{ " + repeated("[", 9000) + repeated("]", 9000) + " }}",
                              "{{ " + repeated("not ", 90000) + "1 }}",
                              "{{ " + repeated("- ", 90000) + "1 }}",
                              "{{ 1" + repeated(" + 1", 90000) + " }}",
                              "{{ x" + repeated(".a", 90000) + " }}",
                              "{{ x" + repeated("|e", 90000) + " }}",
                              "{{ x" + repeated(" if x else x", 9000) + " }}",
                              "{% set " + repeated("(", 9000) + repeated(")", 9000) + " = 1 %}",
                              repeated("{% if x %}", 9000) + repeated("{% endif %}", 9000)};
  for (const std::string& source : deep) {
    EXPECT_NE(error_of_parse(source).find("nests deeper than 300"), std::string::npos)
        << source.substr(0, 20);
  }
}

TEST(Limits, CallDepth) {
  EXPECT_NE(refusal("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}").find("nests calls deeper than 700"),
            std::string::npos);
  EXPECT_NE(refusal("{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}").find("nests calls deeper"),
            std::string::npos);
}

TEST(Limits, ValueDepth) {
  EXPECT_NE(
      refusal("{% set ns = namespace(x=[]) %}{% for i in range(99999) %}{% set ns.x = [ns.x] %}{% endfor %}")
          .find("nests values deeper than 100"),
      std::string::npos);
  EXPECT_NE(refusal("{% set ns = namespace(x=[1]) %}"
                    "{% for i in range(99999) %}{% set ns.x = ns.x|map('abs') %}{% endfor %}")
                .find("nests values deeper"),
            std::string::npos);
  ordered_json deep = 1;
  for (int i = 0; i < 101; ++i) deep = ordered_json::array({deep});
  EXPECT_NE(refusal("", {{"x", deep}}).find("nests values deeper"), std::string::npos);
  EXPECT_EQ(refusal("{{ x }}", {{"x", deep[0]}}), "");
}

TEST(Limits, Steps) {
  TemplateLimits limits;
  limits.steps = 100'000;
  for (const std::string source :
       {"{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
        "{% set x = [1] * 10000000000000 %}", "{{ range(99999)|list }}{{ range(99999)|list }}",
        // Each level of a value refers twice to the one below.
        "{% set ns = namespace(x=[], y=[]) %}{% for i in range(90) %}"
        "{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}"
        "{% endfor %}{{ ns.x == ns.y }}",
        "{% set ns = namespace(x='a') %}{% for i in range(90) %}{% set ns.x = (ns.x, ns.x) %}{% endfor %}"
        "{{ {ns.x: 1} }}"}) {
    EXPECT_NE(refusal(source, ordered_json::object(), limits).find("takes more than 100000 steps"),
              std::string::npos)
        << source;
  }
}

TEST(Limits, TextBytes) {
  TemplateLimits limits;
  limits.text_bytes = 1000;
  const ordered_json data{{"s", std::string(600, 's')}};
  EXPECT_EQ(refusal("{{ s }}", data, limits), "");
  for (const std::string source :
       {"{{ s }}{{ s }}", "{{ s + s }}", "{{ s ~ s }}", "{{ 'a' * 1001 }}", "{{ 'a' * 100000000000000000 }}",
        "{{ '{0}{0}'.format(s) }}", "{{ s.replace('', 'ab') }}", "{{ [s, s]|join }}", "{{ [s, s]|tojson }}",
        "{{ [s, s] }}", "{{ 'a\n\nb'|indent(999, true, true) }}", "{{ 'a\nb'|indent(100000000000) }}",
        "{{ [1]|tojson(indent=100000000000) }}", "{% set x %}{{ s }}{{ s }}{% endset %}",
        "{% set ns = namespace(x=[]) %}{% for i in range(90) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}"
        "{{ ns.x }}"}) {
    EXPECT_NE(refusal(source, data, limits).find("a string of more than 1000 bytes"), std::string::npos)
        << source << " -> " << refusal(source, data, limits);
  }
}

TEST(Limits, RangeElements) {
  EXPECT_EQ(refusal("{{ range(100000)|length }}"), "");
  EXPECT_NE(refusal("{{ range(100001) }}").find("more than 100000 elements"), std::string::npos);
}

TEST(Limits, Integers) {
  EXPECT_NE(refusal("{{ 2 ** 127 }}").find("beyond 128 bits"), std::string::npos);
  EXPECT_NE(refusal("{{ 10 ** 20 * 10 ** 20 }}").find("beyond 128 bits"), std::string::npos);
  EXPECT_NE(error_of_parse("{{ " + repeated("9", 50) + " }}").find("more than 128 bits"), std::string::npos);
}

// Templates cut off, and with bytes changed, moved and doubled: parsing throws or rendering returns.
TEST(Robustness, BrokenTemplatesAreErrors) {
  TemplateLimits limits;
  limits.steps = 200'000;
  const ordered_json data = ordered_json::parse(
      R"({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"},
      {"role": "assistant", "content": null, "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}]},
      {"role": "tool", "content": "t"}], "tools": [{"type": "function", "function": {"name": "f"}}], "add_generation_prompt": true})");
  std::mt19937 random(11);
  int parsed = 0, broken = 0;
  const auto attempt = [&](const std::string& source) {
    try {
      const auto result = ChatTemplate::parse(source, "f", limits).render({{"bos_token", "<s>"}}, data);
      EXPECT_TRUE(result || !result.error().message.empty());
      ++parsed;
    } catch (const Error&) {
      ++broken;
    }
  };
  for (const std::string name : {"deepseek-v3", "deepseek-v3.1", "deepseek-v3.2", "llama-3.3", "qwen2.5"}) {
    std::ifstream file(TEST_DATA "/jinja/templates/" + name + ".jinja");
    std::stringstream text;
    text << file.rdbuf();
    const std::string source = text.str();
    ASSERT_GT(source.size(), 1000u);
    for (int round = 0; round < 300; ++round) {
      std::string changed = source;
      const auto place = [&] { return random() % changed.size(); };
      switch (random() % 4) {
        case 0:
          changed.resize(place());
          break;
        case 1:
          changed.erase(place(), 1 + random() % 12);
          break;
        case 2:
          changed.insert(place(), changed.substr(place(), random() % 60));
          break;
        default:
          changed[place()] = "{}%|'\"()[].,-+#\\\xff\n0"[random() % 20];
          break;
      }
      attempt(changed);
    }
  }
  EXPECT_GT(parsed, 100);
  EXPECT_GT(broken, 100);
}

}  // namespace
}  // namespace troupe::model
