#include "model/text/text_model.hpp"

#include <filesystem>
#include <fstream>

#include "model/json/parse.hpp"
#include "runtime/base/file.hpp"
#include "tests/error_of.hpp"
#include "tests/temporary_folder.hpp"

namespace troupe::model {
namespace {

using nlohmann::json;
using nlohmann::ordered_json;
using std::filesystem::path;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const TextModel& demo() {
  static const TextModel model = TextModel::load(DEMO_MODEL);
  return model;
}

ordered_json user_says(std::string_view text) {
  return {{{"role", "user"}, {"content", text}}};
}

// The tokens of a chat, as requests get them.
Expected<std::vector<TokenId>> render_chat(const ordered_json& messages, const ordered_json& tools,
                                           const ordered_json& variables) {
  const auto prompt = demo().render(messages, tools, variables, true);
  if (!prompt) return tl::unexpected(prompt.error());
  return demo().tokenizer.encode(prompt->text, prompt->plain);
}

// A copy of the demo model's text files, to be changed.
class TextModelFolder : public testing::Test {
 protected:
  TextModelFolder() {
    for (const char* file : {"config.json", "tokenizer.json", "tokenizer_config.json"})
      copy(path(DEMO_MODEL) / file, folder_ / file);
  }

  void change(const char* file, const json& fields) {
    json content = load_json(folder_ / file, 1 << 20);
    content.merge_patch(fields);
    std::ofstream(folder_ / file) << content;
  }
  std::string failure() const {
    return error_of([&] { TextModel::load(folder_); });
  }

  const TemporaryFolder temporary_;
  const path& folder_ = temporary_.path();
};

TEST(TextModel, RendersTheGoldensPrompts) {
  std::ifstream file(path(TEST_DATA) / "demo-goldens.json");
  const auto goldens = ordered_json::parse(file);
  ASSERT_EQ(goldens.size(), 30u);
  for (const auto& golden : goldens) {
    const auto ids = render_chat(golden["messages"], golden["tools"], {{"thinking", golden["thinking"]}});
    ASSERT_TRUE(ids) << ids.error().message;
    EXPECT_EQ(ordered_json(*ids), golden["prompt_ids"]);
  }
}

TEST(TextModel, ControlTokensInMessagesAreText) {
  const auto plain = render_chat(user_says("hello"), nullptr, ordered_json::object());
  const TokenId user = *demo().tokenizer.id_of_added("<｜User｜>");
  for (const std::string text :
       {"<｜User｜>", "a<｜end▁of▁sentence｜>b", "</think>", "<｜Assistant｜></think>"}) {
    const auto ids = render_chat(user_says(text), nullptr, ordered_json::object());
    ASSERT_TRUE(ids);
    // The frame is that of any other message, and between its marks there is no added token.
    EXPECT_EQ(std::vector(ids->begin(), ids->begin() + 2), std::vector(plain->begin(), plain->begin() + 2));
    EXPECT_EQ(std::vector(ids->end() - 2, ids->end()), std::vector(plain->end() - 2, plain->end()));
    EXPECT_EQ(std::count(ids->begin(), ids->end(), user), 1);
    const std::vector<TokenId> body(ids->begin() + 2, ids->end() - 2);
    for (TokenId id : body) EXPECT_FALSE(demo().tokenizer.is_added(id));
    EXPECT_EQ(demo().tokenizer.decode(body), text);
  }
}

TEST(TextModel, ControlTokensInToolsAndVariablesAreText) {
  const ordered_json tools = {
      {{"type", "function"},
       {"function", {{"name", "f"}, {"description", "<｜User｜>"}, {"parameters", {{"type", "object"}}}}}}};
  const auto ids = render_chat(user_says("hello"), tools, ordered_json::object());
  ASSERT_TRUE(ids);
  EXPECT_EQ(std::count(ids->begin(), ids->end(), *demo().tokenizer.id_of_added("<｜User｜>")), 1);
  EXPECT_THAT(demo().tokenizer.decode(*ids), HasSubstr("### f\n<｜User｜>"));
}

TEST(TextModel, VariablesMayNotReplaceTheRest) {
  for (const char* name : {"messages", "tools", "add_generation_prompt", "bos_token", "eos_token"}) {
    const auto ids = render_chat(user_says("hello"), nullptr, {{name, "x"}});
    ASSERT_FALSE(ids) << name;
    EXPECT_EQ(ids.error().param, "chat_template_kwargs");
  }
  EXPECT_FALSE(render_chat(user_says("hello"), nullptr, ordered_json::array()));
  EXPECT_TRUE(render_chat(user_says("hello"), nullptr, {{"anything_else", 1}}));
}

TEST(TextModel, CompletionPromptsBeginWithTheFirstTokenOnce) {
  const TokenId first = *demo().tokenizer.id_of_added("<｜begin▁of▁sentence｜>");
  EXPECT_THAT(*demo().encode_prompt(""), ElementsAre(first));
  const auto ids = demo().encode_prompt("Solve 17 * 23");
  EXPECT_EQ(ids->front(), first);
  EXPECT_EQ(*demo().encode_prompt("<｜begin▁of▁sentence｜>Solve 17 * 23"), *ids);
  EXPECT_THAT(*demo().encode_prompt("<｜User｜>"), Contains(*demo().tokenizer.id_of_added("<｜User｜>")));
}

TEST(TextModel, EndsAndDefaultsOfTheDemoModel) {
  EXPECT_THAT(demo().eos_ids, ElementsAre(1));
  EXPECT_DOUBLE_EQ(demo().defaults.temperature.value(), 0.6);
  EXPECT_EQ(demo().template_variables["bos_token"], "<｜begin▁of▁sentence｜>");
}

TEST_F(TextModelFolder, TemplateOfItsOwnFileGoesFirst) {
  std::ofstream(folder_ / "chat_template.jinja") << "{{ bos_token }}own:{{ messages[0].content }}";
  const auto prompt = TextModel::load(folder_).render(user_says("hi"), nullptr, ordered_json::object(), true);
  EXPECT_EQ(prompt->text, "<｜begin▁of▁sentence｜>own:hi");
}

TEST_F(TextModelFolder, ArgumentsOfCallsAreAsTheTemplateTakesThem) {
  ordered_json messages = ordered_json::parse(
      R"([{"role": "assistant", "content": null,
           "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": "{\"a\": [1, \"b\"]}"}}]}])");
  const auto rendered = [&](const std::string& source) {
    std::ofstream(folder_ / "chat_template.jinja") << source;
    return TextModel::load(folder_).render(messages, nullptr, ordered_json::object(), true);
  };
  const std::string loop =
      "{% for m in messages %}{% for c in m.tool_calls %}{% set args = c.function.arguments %}";
  const std::string end = "{% endfor %}{% endfor %}";
  EXPECT_EQ(rendered(loop + "{{ args }}" + end)->text, R"({"a": [1, "b"]})");
  EXPECT_EQ(rendered(loop + "{{ args | tojson }}" + end)->text, R"({"a": [1, "b"]})");
  EXPECT_EQ(rendered(loop + "{% for k, v in args.items() %}{{ k }}={{ v }}{% endfor %}" + end)->text,
            "a=[1, 'b']");
  messages[0]["tool_calls"][0]["function"]["arguments"] = "{\"a\": [1, ";
  EXPECT_EQ(rendered(loop + "{{ args }}" + end)->text, "{\"a\": [1, ");
  const auto refused = rendered(loop + "{{ args | tojson }}" + end);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().param, "messages[0].tool_calls[0].function.arguments");
}

// The text before the place where the model goes on.
class OpenMessages : public TextModelFolder {
 protected:
  Expected<RenderedPrompt> open(const std::string& source, const ordered_json& last) {
    std::ofstream(folder_ / "chat_template.jinja") << source;
    return TextModel::load(folder_).render_open({{{"role", "user"}, {"content", "hi"}}, last}, nullptr,
                                                ordered_json::object());
  }
  std::string text(const std::string& source, const std::string& content) {
    const auto prompt = open(source, {{"role", "assistant"}, {"content", content}});
    return prompt ? prompt->text : "refused: " + prompt.error().param;
  }
  const std::string as_it_is_ =
      "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}<end>{% endfor %}"
      "{% if add_generation_prompt %}<assistant>{% endif %}";
  const std::string trimmed_ =
      "{% for m in messages %}<{{ m.role }}>\n{{ m.content | trim }}<end>{% endfor %}";
};

TEST_F(OpenMessages, EndBehindTheLastMessagesContent) {
  EXPECT_EQ(text(as_it_is_, "So the"), "<｜begin▁of▁sentence｜><user>hi<end><assistant>So the");
  EXPECT_EQ(text(as_it_is_, " \n"), "<｜begin▁of▁sentence｜><user>hi<end><assistant> \n");
  EXPECT_EQ(text(as_it_is_, ""), "<｜begin▁of▁sentence｜><user>hi<end><assistant>");
  // Characters that the template has behind it, too.
  EXPECT_EQ(text(as_it_is_, "n"), "<｜begin▁of▁sentence｜><user>hi<end><assistant>n");
  EXPECT_EQ(text(as_it_is_, "CONTINUE_FINAL_MESSAGE_TAG "),
            "<｜begin▁of▁sentence｜><user>hi<end><assistant>CONTINUE_FINAL_MESSAGE_TAG ");
}

TEST_F(OpenMessages, ATemplateThatTrimsLeavesNoSpaceAtTheEnd) {
  EXPECT_EQ(text(trimmed_, "So the"), "<user>\nhi<end><assistant>\nSo the");
  EXPECT_EQ(text(trimmed_, " So the \n"), "<user>\nhi<end><assistant>\nSo the");
}

TEST_F(OpenMessages, CharactersOfTheCallerAreMarkedUpToTheEnd) {
  const auto prompt = open(as_it_is_, {{"role", "assistant"}, {"content", "So"}});
  ASSERT_TRUE(prompt);
  EXPECT_EQ(prompt->plain.back().end, prompt->text.size());
  EXPECT_EQ(prompt->text.substr(prompt->plain.back().begin), "So");
}

TEST_F(OpenMessages, WhatHasNoEndIsRefused) {
  EXPECT_EQ(text("{{ messages[0].content }}", "So"), "refused: continue_final_message");
  const auto refused = open(as_it_is_, {{"role", "assistant"}, {"content", nullptr}});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().param, "continue_final_message");
}

TEST_F(OpenMessages, OfDeepSeeksTemplates) {
  const auto source = [](const std::string& name) {
    return read_file(path(TEST_DATA) / "jinja/templates" / (name + ".jinja"), 1 << 20);
  };
  const std::string user = "<｜begin▁of▁sentence｜><｜User｜>hi<｜Assistant｜>";
  EXPECT_EQ(text(source("deepseek-v3"), "So the "), user + "So the ");
  EXPECT_EQ(text(source("deepseek-v3.1"), "So the "), user + "</think>So the ");
  EXPECT_EQ(text(source("deepseek-v3.2"), "So the "), user + "</think>So the ");
  EXPECT_EQ(text(source("deepseek-r1-distill"), "<think>hm</think>So"), user + "So");
}

TEST_F(TextModelFolder, NamedTemplates) {
  change("tokenizer_config.json", {{"chat_template",
                                    {{{"name", "default"}, {"template", "plain"}},
                                     {{"name", "tool_use"}, {"template", "{% if tools %}tools{% endif %}"}},
                                     {{"name", "rag"}, {"template", "{% include 'not parsed' %}"}}}}});
  const TextModel model = TextModel::load(folder_);
  const ordered_json tools = {{{"type", "function"}}};
  EXPECT_EQ(model.render(user_says("hi"), nullptr, ordered_json::object(), true)->text, "plain");
  EXPECT_EQ(model.render(user_says("hi"), tools, ordered_json::object(), true)->text, "tools");
}

TEST_F(TextModelFolder, WithoutTemplateThereIsNoChat) {
  change("tokenizer_config.json", {{"chat_template", nullptr}});
  const TextModel model = TextModel::load(folder_);
  const auto prompt = model.render(user_says("hi"), nullptr, ordered_json::object(), true);
  ASSERT_FALSE(prompt);
  EXPECT_EQ(prompt.error().param, "messages");
  EXPECT_TRUE(model.encode_prompt("hi"));
}

TEST_F(TextModelFolder, WithoutTokenizerConfigNothingIsPutInFront) {
  std::filesystem::remove(folder_ / "tokenizer_config.json");
  const TextModel model = TextModel::load(folder_);
  EXPECT_FALSE(model.leading_token);
  EXPECT_THAT(model.eos_ids, ElementsAre(1));  // of config.json
}

// Llama 3's tokenizer_config.json says nothing, and its tokenizer.json does.
TEST_F(TextModelFolder, TheTokenizersFileMayPutATokenInFront) {
  json file = load_json(folder_ / "tokenizer.json", 1 << 20);
  file["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single",
       {{{"SpecialToken", {{"id", "<｜User｜>"}, {"type_id", 0}}}}, {{"Sequence", {{"id", "A"}}}}}}};
  std::ofstream(folder_ / "tokenizer.json") << file;
  const auto leading = [&] { return TextModel::load(folder_).leading_token; };
  EXPECT_EQ(leading(), demo().tokenizer.id_of_added("<｜begin▁of▁sentence｜>"));
  change("tokenizer_config.json", {{"add_bos_token", nullptr}});
  EXPECT_EQ(leading(), demo().tokenizer.id_of_added("<｜User｜>"));
  change("tokenizer_config.json", {{"add_bos_token", false}});
  EXPECT_EQ(leading(), std::nullopt);
}

TEST_F(TextModelFolder, TheTemplateTellsHowToolsAreCalled) {
  const auto with_template = [&](const std::string& name) {
    return TextModel::load(folder_, TEST_DATA "/jinja/templates/" + name + ".jinja");
  };
  for (const auto& [name, syntax] :
       {std::pair("qwen2.5", ToolCallSyntax::hermes), std::pair("qwen3", ToolCallSyntax::hermes),
        std::pair("llama-3.3", ToolCallSyntax::llama), std::pair("deepseek-v3.1", ToolCallSyntax::bare)}) {
    EXPECT_EQ(with_template(name).call_syntax(), syntax) << name;
    EXPECT_TRUE(with_template(name).calls_tools()) << name;
  }
  EXPECT_EQ(with_template("kimi-k2").call_syntax(), ToolCallSyntax::kimi);
  EXPECT_FALSE(with_template("kimi-k2").calls_tools()) << "it has none of the tokens";
}

// Clients send null beside calls; Qwen 3's template takes texts alone.
TEST_F(TextModelFolder, NoContentIsAnEmptyTextWhereATemplateWantsOne) {
  const TextModel model = TextModel::load(folder_, TEST_DATA "/jinja/templates/qwen3.jinja");
  ordered_json messages = user_says("Weather?");
  messages.push_back(
      {{"role", "assistant"},
       {"content", nullptr},
       {"tool_calls", {{{"type", "function"}, {"function", {{"name", "f"}, {"arguments", "{\"a\": 1}"}}}}}}});
  const auto prompt = model.render(messages, nullptr, ordered_json::object(), false);
  ASSERT_TRUE(prompt) << prompt.error().message;
  EXPECT_THAT(prompt->text,
              HasSubstr("<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>"));
}

TEST_F(TextModelFolder, TokensMayBeObjects) {
  change("tokenizer_config.json", {{"bos_token", {{"content", "<｜User｜>"}}}, {"unk_token", nullptr}});
  const TextModel model = TextModel::load(folder_);
  EXPECT_EQ(model.template_variables["bos_token"], "<｜User｜>");
  EXPECT_FALSE(model.template_variables.contains("unk_token"));
  EXPECT_EQ(model.leading_token, model.tokenizer.id_of_added("<｜User｜>"));
}

TEST_F(TextModelFolder, AGivenTemplateTakesTheCheckpoints) {
  std::ofstream(folder_ / "chat_template.jinja") << "the checkpoint's";
  const path file = folder_ / "given.jinja";
  std::ofstream(file) << "from a file: {{ messages[0].content }}";
  const auto text_with = [&](const std::string& given) {
    return TextModel::load(folder_, given)
        .render(user_says("hi"), nullptr, ordered_json::object(), true)
        ->text;
  };
  EXPECT_EQ(text_with(""), "the checkpoint's");
  EXPECT_EQ(text_with(file.string()), "from a file: hi");
  EXPECT_EQ(text_with("itself:\\n{{ messages[0].content }}"), "itself:\nhi");
  EXPECT_EQ(text_with("a\n" + std::string(10'000, 'b')).size(), 10'002u);  // too long for a file's name
  change("tokenizer_config.json",
         {{"chat_template",
           {{{"name", "default"}, {"template", "one"}}, {{"name", "tool_use"}, {"template", "two"}}}}});
  std::filesystem::remove(folder_ / "chat_template.jinja");
  EXPECT_EQ(TextModel::load(folder_, "{{ tools | tojson }}")
                .render(user_says("hi"), ordered_json::array({1}), ordered_json::object(), true)
                ->text,
            "[1]");
}

TEST_F(TextModelFolder, AGivenTemplateThatIsWrongIsNamedWithItsLine) {
  const path file = folder_ / "given.jinja";
  std::ofstream(file) << "one\ntwo {% if %}";
  EXPECT_THAT(error_of([&] { TextModel::load(folder_, file.string()); }),
              AllOf(HasSubstr(file.string()), HasSubstr("line 2")));
  EXPECT_THAT(error_of([&] { TextModel::load(folder_, "{% if %}"); }),
              AllOf(HasSubstr("--chat-template"), HasSubstr("line 1")));
  EXPECT_THAT(error_of([&] { TextModel::load(folder_, "no-such.jinja"); }),
              HasSubstr("no-such.jinja: no such file"));
}

const ordered_json one_tool = ordered_json::parse(
    R"([{"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}])");

TEST_F(TextModelFolder, ToolsThatTheTemplateDoesNotPrintAreRefused) {
  for (const char* published : {"deepseek-v3", "deepseek-v3.1", "deepseek-r1-distill",
                                "deepseek-r1-distill-qwen", "deepseek-r1-distill-llama"}) {
    const TextModel model = TextModel::load(
        folder_, (path(TEST_DATA) / "jinja/templates" / (std::string(published) + ".jinja")).string());
    EXPECT_FALSE(model.takes_tools) << published;
    const auto refused = model.render(user_says("hi"), one_tool, ordered_json::object(), true);
    ASSERT_FALSE(refused) << published;
    EXPECT_EQ(refused.error().kind, RefusalKind::invalid);
    EXPECT_EQ(refused.error().param, "tools");
    EXPECT_THAT(refused.error().message,
                AllOf(HasSubstr("does not print tools"), HasSubstr("--chat-template FILE"),
                      HasSubstr("launch/templates has deepseek_v3.jinja")));
    EXPECT_TRUE(model.render(user_says("hi"), ordered_json::array(), ordered_json::object(), true));
  }
}

TEST_F(TextModelFolder, ToolsThatTheTemplatePrintsAreTaken) {
  EXPECT_TRUE(demo().takes_tools);
  for (const char* published : {"deepseek-v3.2", "llama-3.3", "qwen2.5"}) {
    const TextModel model = TextModel::load(
        folder_, (path(TEST_DATA) / "jinja/templates" / (std::string(published) + ".jinja")).string());
    EXPECT_TRUE(model.takes_tools) << published;
    EXPECT_TRUE(model.render(user_says("hi"), one_tool, ordered_json::object(), true)) << published;
  }
  for (const char* shipped : {"deepseek_v3", "deepseek_r1", "deepseek_v31"})
    EXPECT_TRUE(TextModel::load(folder_, SOURCE_DIR "/launch/templates/" + std::string(shipped) + ".jinja")
                    .takes_tools)
        << shipped;
  // A template that says what it lacks is let say it, and one that has a template for tools beside it uses that.
  EXPECT_TRUE(TextModel::load(folder_, "{% if tools %}{{ raise_exception('no') }}{% endif %}").takes_tools);
  EXPECT_TRUE(TextModel::load(folder_,
                              "{% if messages[0].role != 'system' %}{{ raise_exception('no') }}{% endif %}"
                              "{{ tools }}")
                  .takes_tools);
  change(
      "tokenizer_config.json",
      {{"chat_template",
        {{{"name", "default"}, {"template", "one"}}, {{"name", "tool_use"}, {"template", "{{ tools }}"}}}}});
  EXPECT_TRUE(TextModel::load(folder_).takes_tools);
}

TEST_F(TextModelFolder, VariablesMayHaveDefaults) {
  TextModel model = TextModel::load(folder_, "{{ thinking }} {{ other }}");
  model.set_default_variables({{"thinking", true}, {"other", 1}});
  const auto text = [&](const ordered_json& variables) {
    return model.render(user_says("hi"), nullptr, variables, true)->text;
  };
  EXPECT_EQ(text(ordered_json::object()), "True 1");
  EXPECT_EQ(text({{"thinking", false}}), "False 1");
  EXPECT_THAT(error_of([&] {
                model.set_default_variables({{"messages", 1}});
              }),
              HasSubstr("--default-chat-template-kwargs: "));
}

TEST_F(TextModelFolder, EndsOfAllFilesCount) {
  change("tokenizer_config.json", {{"eos_token", "<｜User｜>"}});
  std::ofstream(folder_ / "generation_config.json") << R"({"eos_token_id": [1, 4]})";
  EXPECT_THAT(TextModel::load(folder_).eos_ids, ElementsAre(1, 3, 4));
}

TEST_F(TextModelFolder, WrongFilesAreNamed) {
  change("tokenizer_config.json", {{"eos_token", "no such token"}});
  EXPECT_THAT(failure(), HasSubstr("tokenizer_config.json: eos_token is no added token"));
  change("tokenizer_config.json", {{"eos_token", 7}});
  EXPECT_THAT(failure(), HasSubstr("eos_token must be a string"));
  change("tokenizer_config.json", {{"eos_token", nullptr}, {"bos_token", nullptr}});
  EXPECT_THAT(failure(), HasSubstr("add_bos_token is set and bos_token is not"));
  change("tokenizer_config.json", {{"add_bos_token", false}, {"chat_template", 7}});
  EXPECT_THAT(failure(), HasSubstr("chat_template must be a string"));
  change("tokenizer_config.json", {{"chat_template", {{{"name", "default"}}}}});
  EXPECT_THAT(failure(), HasSubstr("chat_template[0].template is missing"));
  change("tokenizer_config.json", {{"chat_template", "{% include 'x' %}"}});
  EXPECT_THAT(failure(), HasSubstr("include"));
  change("config.json", {{"vocab_size", 256}});
  EXPECT_THAT(failure(), HasSubstr("the model has a vocab_size of 256"));
  resize_file(folder_ / "tokenizer_config.json", max_tokenizer_config_bytes + 1);
  change("config.json", {{"vocab_size", 1536}});
  EXPECT_THAT(failure(), HasSubstr("more than the 16777216"));
  std::filesystem::remove(folder_ / "tokenizer.json");
  EXPECT_THAT(failure(), HasSubstr("tokenizer.json"));
}

}  // namespace
}  // namespace troupe::model
