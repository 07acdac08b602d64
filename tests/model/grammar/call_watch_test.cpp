// Calls that an answer may have wherever it likes: it is held from their opening to their closing, and nowhere else.
#include <gmock/gmock.h>
#include <rapidcheck/gtest.h>

#include <map>

#include "model/grammar/tool_calls.hpp"
#include "tests/model/grammar/random_walk.hpp"

namespace troupe::model {
namespace {

using Json = nlohmann::ordered_json;

// One strict, and one that takes any object.
const std::vector<CallableTool> tools{
    {"get_weather", Json::parse(R"({"type":"object","properties":{"city":{"type":"string","maxLength":12},
        "days":{"type":"integer"}},"required":["city"],"additionalProperties":false})")},
    {"note", {}},
};

// A form, the vocabulary of a model that has it, and its words.
struct Form {
  ToolCallSyntax syntax;
  const GrammarVocabulary& vocabulary;
  std::string opening, call, call_end, closing, separator;  // call: up to the arguments; separator: of two

  std::string block(const std::string& arguments) const {
    return opening + call + arguments + call_end + closing;
  }
};

const std::vector<Form>& forms() {
  static const std::string begin = "<｜tool▁calls▁begin｜>", end = "<｜tool▁calls▁end｜>";
  static const std::vector<Form> all{
      {ToolCallSyntax::bare, demo_vocabulary(), begin, "<｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>",
       "<｜tool▁call▁end｜>", end, ""},
      {ToolCallSyntax::fenced, demo_vocabulary(), begin,
       "<｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n", "\n```<｜tool▁call▁end｜>", end,
       "\n"},
      {ToolCallSyntax::dsml, dsml_vocabulary(), "<｜DSML｜function_calls>\n",
       "<｜DSML｜invoke name=\"get_weather\">\n<｜DSML｜parameter name=\"",
       "</｜DSML｜parameter></｜DSML｜invoke>\n", "</｜DSML｜function_calls>", ""},
      {ToolCallSyntax::hermes, qwen_llama_vocabulary(), "<tool_call>",
       "\n{\"name\": \"get_weather\", \"arguments\": ", "}\n", "</tool_call>", "</tool_call>\n<tool_call>"},
      {ToolCallSyntax::kimi, kimi_vocabulary(), "<|tool_calls_section_begin|>",
       "<|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>", "<|tool_call_end|>",
       "<|tool_calls_section_end|>", ""},
  };
  return all;
}

GrammarMatcher matcher_of(const Form& form, bool may_think = false, bool thinks = false) {
  static std::map<GrammarId, std::shared_ptr<const CompiledGrammar>> compiled;
  GrammarSpec spec = free_call_grammar(form.syntax, tools, true, may_think);
  if (thinks) spec.after = "</think>";
  auto& grammar = compiled[grammar_id(spec)];
  if (!grammar) grammar = compile(form.vocabulary, spec).value();
  return GrammarMatcher(grammar);
}

bool is_free(GrammarMatcher& matcher, const Form& form) {
  std::vector<std::uint32_t> mask(mask_words(form.vocabulary.size));
  return !matcher.fill(mask);
}

void write(GrammarMatcher& matcher, const Form& form, std::string_view text) {
  for (const TokenId token : form.vocabulary.tokens_of(text)) ASSERT_TRUE(matcher.accept(token)) << text;
}

// Whether all of the text may come.
bool may_write(GrammarMatcher& matcher, const Form& form, std::string_view text) {
  const auto tokens = form.vocabulary.tokens_of(text);
  std::int64_t accepted = 0;
  for (const TokenId token : tokens) {
    const auto allowed = allowed_tokens(matcher, form.vocabulary.size);
    if (!std::ranges::binary_search(allowed, token) || !matcher.accept(token)) break;
    ++accepted;
  }
  matcher.rollback(accepted);
  return accepted == std::ssize(tokens);
}

// An argument of get_weather, as text that stands behind Form::call.
std::string argument(const Form& form, const std::string& name, const std::string& value, bool text) {
  if (form.syntax == ToolCallSyntax::dsml)
    return name + "\" string=\"" + (text ? "true" : "false") + "\">" + value;
  return "{\"" + name + "\": " + (text ? "\"" + value + "\"" : value) + "}";
}

TEST(CallWatch, TextIsFreeAndMayEnd) {
  for (const Form& form : forms()) {
    GrammarMatcher matcher = matcher_of(form);
    for (const TokenId token :
         form.vocabulary.tokens_of("Let me see: a < b, \"x\" ```json {} <｜User｜></think>")) {
      EXPECT_TRUE(is_free(matcher, form));
      EXPECT_TRUE(matcher.forced(8).empty());
      EXPECT_TRUE(matcher.accept(token));
    }
    EXPECT_FALSE(matcher.complete());  // so that min_tokens holds
    EXPECT_TRUE(matcher.accept(GrammarVocabulary::eos));
    EXPECT_FALSE(matcher.terminated());
  }
}

TEST(CallWatch, AStrictToolsArgumentsAreHeldToItsSchema) {
  for (const Form& form : forms()) {
    GrammarMatcher matcher = matcher_of(form);
    write(matcher, form, "So." + form.opening + form.call);
    EXPECT_FALSE(is_free(matcher, form));
    EXPECT_TRUE(may_write(matcher, form, argument(form, "city", "Oslo", true)));
    EXPECT_FALSE(may_write(matcher, form, argument(form, "town", "Oslo", true)));
    EXPECT_FALSE(may_write(matcher, form, argument(form, "city", "17", false)));
    EXPECT_FALSE(may_write(matcher, form, argument(form, "city", "A town of many letters", true)));
  }
}

TEST(CallWatch, ForcesWhatMustComeInCalls) {
  for (const Form& form : forms()) {
    GrammarMatcher matcher(
        compile(form.vocabulary, free_call_grammar(form.syntax, std::vector{tools[0]}, false, false))
            .value());
    write(matcher, form, form.opening.substr(0, form.opening.find("function_calls")));
    const std::size_t named = form.call.find("get_weather") + 11;  // behind it white space may be free
    const std::string rest =
        form.opening.substr(std::min(form.opening.find("function_calls"), form.opening.size())) +
        form.call.substr(0, named);
    EXPECT_THAT(form.vocabulary.tokenizer.decode(matcher.forced(64)), testing::StartsWith(rest));
  }
}

TEST(CallWatch, AToolThatIsNotStrictTakesAnyObject) {
  for (const Form& form : forms()) {
    if (form.syntax == ToolCallSyntax::dsml) continue;
    GrammarMatcher matcher = matcher_of(form);
    write(matcher, form, form.opening);
    std::string call = form.call;
    call.replace(call.find("get_weather"), 11, "note");
    EXPECT_TRUE(
        may_write(matcher, form, call + R"({"any": ["thing", {"at": null}], "town": 1.5})" + form.call_end));
    EXPECT_FALSE(may_write(matcher, form, call + R"({"any": )" + form.call_end));
  }
}

TEST(CallWatch, NoOtherToolCanBeCalled) {
  for (const Form& form : forms()) {
    GrammarMatcher matcher = matcher_of(form);
    write(matcher, form, form.opening);
    std::string call = form.call;
    call.replace(call.find("get_weather"), 11, "get_wealth");
    EXPECT_FALSE(may_write(matcher, form, call));
  }
}

TEST(CallWatch, BehindTheClosingTextIsFreeAgain) {
  for (const Form& form : forms()) {
    GrammarMatcher matcher = matcher_of(form);
    const std::string block = form.block(argument(form, "city", "Oslo", true));
    for (int turn = 0; turn < 3; ++turn) {
      write(matcher, form, block);
      EXPECT_TRUE(is_free(matcher, form));
      write(matcher, form, " And then ");
      EXPECT_TRUE(is_free(matcher, form));
    }
    write(matcher, form, form.opening);
    EXPECT_FALSE(is_free(matcher, form));
    matcher.rollback(matcher.accepted());
    EXPECT_TRUE(is_free(matcher, form));
    write(matcher, form, block);
  }
}

TEST(CallWatch, SeveralCallsOnlyWhereTheyAreWanted) {
  for (const Form& form : forms()) {
    const std::string call = form.call + argument(form, "city", "Oslo", true) + form.call_end;
    for (const bool several : {true, false}) {
      GrammarMatcher matcher(
          compile(form.vocabulary, free_call_grammar(form.syntax, tools, several, false)).value());
      const bool may = several || form.syntax == ToolCallSyntax::hermes;  // whose blocks have one each
      EXPECT_EQ(may_write(matcher, form, form.opening + call + form.separator + call + form.closing), may);
    }
  }
}

TEST(CallWatch, ThoughtsHaveNoCalls) {
  for (const Form& form : forms()) {
    GrammarMatcher thinking = matcher_of(form, true, true);
    write(thinking, form, "Hm. " + form.opening + "no call");
    EXPECT_TRUE(is_free(thinking, form));
    EXPECT_TRUE(may_write(thinking, form, "<｜end▁of▁sentence｜>"));
    write(thinking, form, "</think>" + form.opening);
    EXPECT_FALSE(is_free(thinking, form));

    GrammarMatcher opening_thoughts = matcher_of(form, true);
    write(opening_thoughts, form, "\n <think>Hm. " + form.opening + "no call</think>" + form.opening);
    EXPECT_FALSE(is_free(opening_thoughts, form));

    GrammarMatcher in_text = matcher_of(form, true);  // a tag behind other text is text
    write(in_text, form, "Hm. <think>" + form.opening);
    EXPECT_FALSE(is_free(in_text, form));
  }
}

// So that what masks cost is tried where there are any.
TEST(CallWatch, TheLeadInEndsInCalls) {
  for (const Form& form : forms())
    for (const char* after : {"", "</think>"}) {
      GrammarSpec spec = free_call_grammar(form.syntax, tools, true, true);
      spec.after = after;
      const auto grammar = compile(form.vocabulary, spec).value();
      GrammarMatcher matcher(grammar);
      EXPECT_TRUE(is_free(matcher, form));
      for (const TokenId token : grammar->lead_in()) EXPECT_TRUE(matcher.accept(token));
      EXPECT_FALSE(is_free(matcher, form));
    }
}

// The output's parser reads letters: it would take these for calls that nobody has held.
TEST(CallWatch, LettersDoNotBeginCalls) {
  for (const Form& form : forms())
    for (const std::string_view opening : OutputParser::openings_of_calls(form.syntax)) {
      GrammarMatcher matcher = matcher_of(form);
      write(matcher, form, "So: <");
      const std::string_view all_but_last = opening.substr(1, opening.size() - 2);
      const ByteRange plain{0, all_but_last.size()};
      const auto letters = form.vocabulary.tokenizer.encode(all_but_last, {&plain, 1}).value();
      for (const TokenId token : letters) {
        ASSERT_TRUE(std::ranges::binary_search(allowed_tokens(matcher, form.vocabulary.size), token));
        ASSERT_TRUE(matcher.accept(token));
      }
      const auto allowed = allowed_tokens(matcher, form.vocabulary.size);
      EXPECT_GT(std::ssize(allowed), form.vocabulary.size / 2);
      for (const TokenId token : allowed)
        EXPECT_FALSE(form.vocabulary.tokenizer.token_bytes(token).starts_with(">")) << token;
      EXPECT_FALSE(matcher.accept(form.vocabulary.tokens_of(">").front()));
      write(matcher, form, " so");
      EXPECT_TRUE(is_free(matcher, form));
    }
}

// Which is left out before the parser reads the answer.
TEST(CallWatch, AHiddenTokenDoesNotPartLetters) {
  for (const Form& form : forms())
    for (const std::string_view opening : OutputParser::openings_of_calls(form.syntax)) {
      const Tokenizer& tokenizer = form.vocabulary.tokenizer;
      const TokenId hidden = tokenizer.id_of_added("<｜User｜>").value();
      ASSERT_TRUE(tokenizer.is_special(hidden));
      GrammarMatcher matcher = matcher_of(form);
      const std::string_view all_but_last = opening.substr(0, opening.size() - 1);
      const ByteRange plain{0, all_but_last.size()};
      const auto letters = tokenizer.encode(all_but_last, {&plain, 1}).value();
      for (const TokenId token : letters)
        for (const TokenId each : {token, hidden}) ASSERT_TRUE(matcher.accept(each));
      for (const TokenId token : allowed_tokens(matcher, form.vocabulary.size))
        EXPECT_FALSE(tokenizer.token_bytes(token).starts_with(">")) << token;
      EXPECT_FALSE(matcher.accept(form.vocabulary.tokens_of(">").front()));
      write(matcher, form, " so");
      EXPECT_TRUE(is_free(matcher, form));
    }
}

TEST(CallWatch, AModelWithoutTheTokenIsRefused) {
  const auto grammar =
      compile(demo_vocabulary(), free_call_grammar(ToolCallSyntax::dsml, tools, true, false));
  ASSERT_FALSE(grammar);
  EXPECT_THAT(grammar.error().message, testing::HasSubstr("no token that begins calls"));
}

TEST(CallWatch, NamesTheToolWhoseParametersAreAtFault) {
  const std::vector<CallableTool> broken{tools[0],
                                         {"broken", Json::parse(R"({"properties":{"a":{"type":"text"}}})")}};
  const auto grammar =
      compile(demo_vocabulary(), free_call_grammar(ToolCallSyntax::bare, broken, true, false));
  ASSERT_FALSE(grammar);
  EXPECT_THAT(grammar.error().message,
              testing::AllOf(testing::HasSubstr("/properties/a"), testing::HasSubstr("tool broken")));
}

// The tokens of an answer as a model without any sense writes it, which begins and ends calls more often than others.
std::vector<TokenId> random_answer(GrammarMatcher& matcher, const Form& form, std::mt19937_64& random,
                                   int length) {
  const auto opening = form.vocabulary.tokens_of(form.opening.substr(0, form.opening.find('f')));
  const std::string end = form.call_end + form.closing;
  std::vector<TokenId> tokens;
  const auto go_on = [&](std::span<const TokenId> with) {
    for (const TokenId token : with) {
      EXPECT_TRUE(matcher.accept(token));
      tokens.push_back(token);
    }
  };
  while (std::ssize(tokens) < length) {
    const bool free = is_free(matcher, form), turns = random() % 8 == 0;
    if (turns && free) {
      go_on(opening);
    } else if (turns && may_write(matcher, form, end)) {
      go_on(form.vocabulary.tokens_of(end));
    } else {
      auto allowed = allowed_tokens(matcher, form.vocabulary.size);
      std::erase_if(allowed, [&](TokenId token) {
        const std::string_view text = form.vocabulary.tokenizer.token_bytes(token);
        return text.empty() ||
               (form.syntax == ToolCallSyntax::dsml && text == forms()[0].opening);  // banned by rules
      });
      std::vector<TokenId> closing;
      std::ranges::copy_if(allowed, std::back_inserter(closing), [&](TokenId token) {
        return std::string_view("\"}]").find(form.vocabulary.tokenizer.token_bytes(token)) !=
               std::string_view::npos;
      });
      const auto& from = free || closing.empty() || random() % 2 ? allowed : closing;
      if (from.empty()) {
        ADD_FAILURE() << "no token may come";
        break;
      }
      const TokenId next = from[random() % from.size()];
      go_on({&next, 1});
    }
  }
  return tokens;
}

// What the parser tells as a finished call of the strict tool keeps to its schema, whatever else was written.
RC_GTEST_PROP(CallWatch, WhatIsToldAsAStrictCallIsOne, (std::uint64_t seed)) {
  const Form& form = forms()[seed % forms().size()];
  std::mt19937_64 random(seed);
  const bool thinks = random() % 2;
  GrammarMatcher matcher = matcher_of(form, true, thinks);
  const auto tokens = random_answer(matcher, form, random, 400);
  OutputParser parser(
      {.reasoning = true, .starts_in_reasoning = thinks, .tool_calls = true, .syntax = form.syntax});
  parser.push(form.vocabulary.tokenizer.decode(tokens));
  parser.finish(true);
  std::vector<std::pair<std::string, std::string>> calls;
  for (const ToolCallPiece& piece : parser.take().tool_calls) {
    if (piece.begins) calls.emplace_back(piece.name, "");
    calls.back().second += piece.arguments;
  }
  calls.resize(std::min(calls.size(), std::size_t(parser.finished_calls())));
  for (const auto& [name, arguments] : calls) {
    RC_ASSERT(name == "get_weather" || name == "note");
    RC_ASSERT(arguments.starts_with("{") && arguments.ends_with("}"));
    if (name != "get_weather") continue;
    const Json read = Json::parse(arguments, nullptr, false);
    RC_ASSERT(read.is_object());
    RC_ASSERT(read.contains("city") && read["city"].is_string());
    RC_ASSERT(read.size() == (read.contains("days") ? 2u : 1u));
  }
}

RC_GTEST_PROP(CallWatch, GoesBackToAnyPlace, (std::uint64_t seed)) {
  const Form& form = forms()[seed % forms().size()];
  std::mt19937_64 random(seed);
  GrammarMatcher matcher = matcher_of(form, true);
  const auto tokens = random_answer(matcher, form, random, 60);
  const std::int64_t kept = std::int64_t(random() % (tokens.size() + 1));
  matcher.rollback(matcher.accepted() - kept);
  GrammarMatcher fresh = matcher_of(form, true);
  for (std::int64_t i = 0; i < kept; ++i) RC_ASSERT(fresh.accept(tokens[std::size_t(i)]));
  RC_ASSERT(is_free(matcher, form) == is_free(fresh, form));
  RC_ASSERT(allowed_tokens(matcher, form.vocabulary.size) == allowed_tokens(fresh, form.vocabulary.size));
}

}  // namespace
}  // namespace troupe::model
