#include "model/jinja/chat_template.hpp"

#include <gtest/gtest.h>

#include "tests/model/jinja/rendering.hpp"

namespace troupe::model {
namespace {

TEST(ChatTemplate, SeesTrustedAndUntrustedVariables) {
  EXPECT_EQ(marked("{{ bos_token }}{{ x }}", {{"x", "hi"}}), "<s>[hi]");
  EXPECT_EQ(marked("{{ bos_token }}", {{"bos_token", "mine"}}),
            "[mine]");  // a caller's name wins, and stays text
}

TEST(ChatTemplate, NamesAnUnsupportedConstructAndItsLine) {
  EXPECT_EQ(error_of_parse("a\nb {% include 'x' %}"),
            "file.jinja: chat template, line 2: the tag 'include' is not supported; give another template");
  for (const std::string tag :
       {"import", "from", "extends", "block", "autoescape", "do", "trans", "with", "print"}) {
    EXPECT_NE(error_of_parse("\n\n{% " + tag + " x %}").find("line 3: the tag '" + tag + "' is not"),
              std::string::npos);
  }
  for (const std::string filter : {"wordwrap", "attr", "batch", "center", "forceescape", "format", "groupby",
                                   "round", "slice", "truncate", "wordcount"}) {
    EXPECT_NE(error_of_parse("\n{{ x|" + filter + " }}").find("line 2: the filter '" + filter + "' is not"),
              std::string::npos);
  }
  for (const std::string test : {"prime", "escaped", "filter", "test"}) {
    EXPECT_NE(error_of_parse("\n{{ x is " + test + " }}").find("line 2: the test '" + test + "' is not"),
              std::string::npos);
  }
  EXPECT_NE(
      error_of_parse("\n{% for x in y recursive %}{% endfor %}").find("line 2: a loop that is 'recursive'"),
      std::string::npos);
  EXPECT_NE(error_of_parse("\xff").find("not UTF-8"), std::string::npos);
}

TEST(ChatTemplate, RefusesWithTheLineOfAFailure) {
  EXPECT_EQ(refusal("a\n{{ x.y.z }}"), "the chat template, line 2: 'x' is undefined");
  EXPECT_EQ(refusal("{% if true %}\n\n{{ 1 +\n 'a' }}{% endif %}"),
            "the chat template, line 3: the operator + does not take 'int' and 'str'");
  EXPECT_EQ(refusal("{{ m.a['b'].c }}", {{"m", {{"a", ordered_json::object()}}}}),
            "the chat template, line 1: a value of type 'dict' has no attribute or item 'b'");
}

TEST(ChatTemplate, RefusesWhatPythonWouldDoAndTheTemplateEngineDoesNot) {
  const std::pair<std::string, std::string> cases[] = {
      {"{{ '%s' % 1 }}", "the operator % does not take 'str' and 'int'"},
      {"{{ '{:>4}'.format(1) }}",
       "format() with more than a number or a name in its braces is not supported"},
      {"{{ '{!r}'.format(1) }}", "format() with more than a number or a name in its braces is not supported"},
      {"{{ 'a'.center(4) }}", "a value of type 'str' has no attribute or item 'center'"},
      {"{{ [1].index(1) }}", "a value of type 'list' has no attribute or item 'index'"},
      {"{{ {}.copy() }}", "a value of type 'dict' has no attribute or item 'copy'"},
      {"{{ joiner() }}", "'joiner' is undefined"},
      {"{{ cycler(1) }}", "'cycler' is undefined"},
      {"{% for x in [1] %}{{ loop.cycle(1) }}{% endfor %}", "'loop.cycle' is not supported"},
      {"{% for x in [1] %}{{ loop.changed(1) }}{% endfor %}", "'loop.changed' is not supported"},
      {"{% for x in [1] %}{{ loop.depth }}{% endfor %}", "'loop.depth' is not supported"},
      {"{% for x in [1] %}{{ loop([2]) }}{% endfor %}", "calls a value of type 'LoopContext'"},
      {"{% macro m() %}{% endmacro %}{{ m.name }}", "the attribute 'name' of a macro is not supported"}};
  for (const auto& [source, message] : cases)
    EXPECT_EQ(refusal("\n" + source), "the chat template, line 2: " + message) << source;
}

TEST(ChatTemplate, RaiseExceptionGivesTheTemplatesWordsAndHidesTheCallers) {
  EXPECT_EQ(refusal("{{ raise_exception('Roles must alternate') }}"), "Roles must alternate");
  EXPECT_EQ(refusal("{{ raise_exception('role ' + r + '?') }}", {{"r", "SECRET"}}), "role …?");
}

TEST(ChatTemplate, KeepsTheCallersTextOutOfErrors) {
  const ordered_json data{{"s", "SECRET"}, {"d", {{"SECRET", 1}}}, {"l", {"SECRET"}}};
  for (const std::string source :
       {"{{ s + 1 }}", "{{ d[s].x.y }}", "{{ {}[s].x }}", "{{ s() }}", "{{ l|map(s)|list }}",
        "{{ s|int + l }}", "{{ d.x.y }}", "{{ '{SECRET'.format(s) }}", "{{ s % (s,) }}",
        "{{ namespace(**d)[s].x.y }}", "{{ dict(l) }}", "{{ range(s) }}", "{{ s.foo.bar }}",
        "{% macro m() %}{% endmacro %}{{ m(**d) }}", "{{ [].index(s) }}", "{{ s|abs }}"}) {
    const std::string message = refusal(source, data);
    EXPECT_NE(message, "") << source;
    EXPECT_EQ(message.find("SECRET"), std::string::npos) << source << " -> " << message;
  }
}

TEST(ChatTemplate, StrftimeNowIsTheMomentGiven) {
  const auto parsed = ChatTemplate::parse("{{ strftime_now('%s') }}", "f");
  const auto moment = std::chrono::system_clock::from_time_t(1'234'567'890);
  EXPECT_EQ(parsed.render(ordered_json::object(), ordered_json::object(), moment)->text, "1234567890");
}

TEST(ChatTemplate, RefusesStringsThatAreNotUtf8) {
  EXPECT_NE(refusal("{{ x }}", {{"x", "\xff"}}).find("not UTF-8"), std::string::npos);
}

}  // namespace
}  // namespace troupe::model
