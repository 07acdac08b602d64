// Which bytes of a prompt came from the caller.
#include <gtest/gtest.h>

#include <random>

#include "tests/model/jinja/rendering.hpp"

namespace troupe::model {
namespace {

TEST(Marks, AUsersControlTokenIsPlainAndTheTemplatesIsNot) {
  const ordered_json data{{"messages", {{{"role", "user"}, {"content", "a<｜User｜>b"}}}}};
  EXPECT_EQ(marked("{% for m in messages %}<｜User｜>{{ m.content }}<｜end｜>{% endfor %}", data),
            "<｜User｜>[a<｜User｜>b]<｜end｜>");
  EXPECT_EQ(
      marked("{% for m in messages %}{{ '<｜User｜>' + m['content'] + '<｜end｜>' }}{% endfor %}", data),
      "<｜User｜>[a<｜User｜>b]<｜end｜>");
}

TEST(Marks, FollowEveryOperation) {
  const ordered_json data{{"s", "Ab-cD"}, {"w", "  ab  "}, {"n", 42},       {"f", 1.5},
                          {"b", true},    {"z", nullptr},  {"l", {"x", 1}}, {"d", {{"k\n", "v\""}}}};
  const std::pair<std::string, std::string> cases[] = {
      {"{{ s ~ '!' ~ s }}", "[Ab-cD]![Ab-cD]"},
      {"{{ s[1:3] }}{{ s[0] }}{{ s[::-1] }}", "[b-ADc-bA]"},
      {"{{ s.split('-') }}", "['[Ab]', '[cD]']"},
      {"{{ w|trim }}.{{ w.rstrip() }}", "[ab].[  ab]"},
      {"{{ s.replace('-', '+') }}", "[Ab]+[cD]"},
      {"{{ 'x-y'.replace('-', s) }}", "x[Ab-cD]y"},
      {"{{ s|upper }}{{ s.lower() }}{{ s|title }}{{ s|capitalize }}", "[AB-CDab-cdAb-CdAb-cd]"},
      {"{{ l|join(', ') }}", "[x], [1]"},
      {"{{ ['a', s]|join(s) }}", "a[Ab-cDAb-cD]"},
      {"{{ d|tojson }}", "{\"[k\\n]\": \"[v\\\"]\"}"},
      {"{{ [n, f, b, z]|tojson }}{{ n }}{{ f }}{{ b }}{{ z }}",
       "[[42], [1.5], [true], [null]][421.5TrueNone]"},
      {"{{ n + 1 }}{{ -n }}{{ n|string ~ 1 }}{{ 7 }}", "[43-4242]17"},
      {"{{ '{}|{x}|{1}'.format(s, n, x=b) }}", "[Ab-cD]|[True]|[42]"},
      {"{{ (s ~ '\n' ~ s)|indent(2) }}", "[Ab-cD]\n  [Ab-cD]"},
      {"{% set x %}<{{ s }}>{% endset %}{{ x|reverse }}", ">[Dc-bA]<"},
      {"{% macro m(a) %}({{ a }}){% endmacro %}{{ m(s) }}{% filter upper %}a{{ s }}{% endfilter %}",
       "([Ab-cD])A[AB-CD]"},
      {"{% for c in s %}{{ c }}.{% endfor %}", "[A].[b].[-].[c].[D]."},
      {"{{ s|e }}{{ '<'|e + s }}", "[Ab-cD]&lt;[Ab-cD]"},
      {"{{ s|list|sort|first }}", "[-]"},
      {"{{ d.items()|list }}", "[('[k\\n]', '[v\"]')]"},
      {"{{ s|int(5) }}{{ '1' if b else '2' }}{{ s|length }}", "515"},
  };
  for (const auto& [source, expected] : cases) EXPECT_EQ(marked(source, data), expected) << source;
}

// A key of the caller's mapping that becomes a name of an argument, and a text again.
TEST(Marks, FollowNamesThatAMappingGives) {
  const ordered_json data{{"d", {{"k", "v"}}}};
  for (const auto& [source, expected] : std::initializer_list<std::pair<std::string, std::string>>{
           {"{{ dict(**d)|tojson }}", R"({"[k]": "[v]"})"},
           {"{{ dict({'a': 1}, **d)|tojson }}", R"({"a": 1, "[k]": "[v]"})"},
           {"{{ dict(k='v')|tojson }}", R"({"k": "v"})"},
           {"{% macro m() %}{{ kwargs|tojson }}{% endmacro %}{{ m(b=2, **d) }}", R"({"b": 2, "[k]": "[v]"})"},
           {"{{ namespace(**d) }}{{ namespace(d) }}", "<Namespace {'[k]': '[v]'}><Namespace {'[k]': '[v]'}>"},
           {"{% set n = namespace(d) %}{% set n.own = d.k %}{{ n }}",
            "<Namespace {'[k]': '[v]', 'own': '[v]'}>"},
           {"{% macro m(k) %}{{ k }}{% endmacro %}{{ m(**d) }}{{ '{k}'.format(**d) }}", "[vv]"}})
    EXPECT_EQ(marked(source, data), expected) << source;
}

// Random text of the caller goes through random chains of operations: each of its characters that comes out
// is marked, and no character of the template is.
TEST(Marks, HoldThroughRandomChainsOfOperations) {
  // The caller's letters are not ASCII, the template's are; @ is the template's.
  const std::vector<std::string> letters{"Ж", "日", "🎉", "é", "｜"};
  const std::vector<std::string> steps{"x|trim",
                                       "x|upper",
                                       "x|lower",
                                       "x ~ '@'",
                                       "'@' + x",
                                       "x.replace('日', '@')",
                                       "x.split('é')|join('@')",
                                       "x[1:]",
                                       "x[::-1]",
                                       "[x, '@']|tojson",
                                       "x|title",
                                       "'@{}@'.format(x)",
                                       "'@{0}{0}'.format(x)",
                                       "x.splitlines()|join('@')",
                                       "x|indent(3, true)",
                                       "x|list|join",
                                       "x.removeprefix('Ж')",
                                       "x|e|string",
                                       "x.partition('Ж')|join('@')",
                                       "x.strip('é')",
                                       "(x, x)|string",
                                       "x * 2",
                                       "x|replace('', '@')",
                                       "{'@': x}|dictsort|string"};
  std::mt19937 random(7);
  const auto pick = [&](const auto& from) { return from[random() % from.size()]; };
  for (int round = 0; round < 400; ++round) {
    std::string source, user;
    for (int i = int(random() % 12); i >= 0; --i) user += pick(letters);
    for (int i = 0; i < 5; ++i) source += "{% set x = " + pick(steps) + " %}";
    const auto result = render(source + "{{ x }}", {{"x", user}});
    ASSERT_TRUE(result) << source << result.error().message;
    for (std::size_t i = 0; i < result->plain.size(); ++i) {
      EXPECT_LT(result->plain[i].begin, result->plain[i].end);
      EXPECT_TRUE(i == 0 || result->plain[i - 1].end < result->plain[i].begin);
    }
    std::size_t range = 0;
    for (std::size_t at = 0; at < result->text.size(); ++at) {
      while (range < result->plain.size() && result->plain[range].end <= at) ++range;
      const bool plain = range < result->plain.size() && result->plain[range].begin <= at;
      if (result->text[at] == '@') {
        EXPECT_FALSE(plain) << source;
      }
      if (static_cast<unsigned char>(result->text[at]) >= 0x80) {
        EXPECT_TRUE(plain) << source;
      }
    }
  }
}

}  // namespace
}  // namespace troupe::model
