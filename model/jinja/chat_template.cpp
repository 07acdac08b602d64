#include "model/jinja/chat_template.hpp"

#include "model/jinja/globals.hpp"
#include "model/jinja/interpreter.hpp"
#include "model/jinja/json.hpp"
#include "model/jinja/parser.hpp"
#include "model/tokenizer/utf8.hpp"

namespace troupe::model {
namespace jinja {

struct Tree {
  Body body;
};

}  // namespace jinja

namespace {

void add_variables(jinja::Render& render, const nlohmann::ordered_json& variables, bool plain,
                   std::unordered_map<std::string, jinja::Value>& context) {
  CHECK(variables.is_object(), "variables of a template are a JSON object");
  for (const auto& [name, value] : variables.items()) {
    context.insert_or_assign(name, jinja::from_json(render, value, plain));
  }
}

std::string described(const jinja::Failure& failure) {
  const std::string line = failure.line > 0 ? ", line " + std::to_string(failure.line) : "";
  return "the chat template" + line + ": " + failure.what();
}

}  // namespace

ChatTemplate ChatTemplate::parse(std::string source, std::string where, const TemplateLimits& limits) {
  if (source.size() > limits.source_bytes) {
    throw Error("the chat template has more than " + std::to_string(limits.source_bytes) + " bytes", where);
  }
  if (!is_utf8(source)) throw Error("the chat template is not UTF-8", where);
  try {
    auto tree = std::make_shared<jinja::Tree>(jinja::Tree{jinja::parse(source, limits)});
    return ChatTemplate(std::move(tree), limits, std::move(source));
  } catch (const jinja::SyntaxFailure& failure) {
    throw Error("chat template, line " + std::to_string(failure.line) + ": " + failure.message, where,
                "give another template");
  }
}

Expected<RenderedPrompt> ChatTemplate::render(const nlohmann::ordered_json& trusted,
                                              const nlohmann::ordered_json& untrusted, WallTime now) const {
  jinja::Render render(limits_, now);
  try {
    std::unordered_map<std::string, jinja::Value> context;
    jinja::add_globals(render, context);
    add_variables(render, trusted, false, context);
    add_variables(render, untrusted, true, context);
    jinja::Text text = jinja::Interpreter(render, context).run(tree_->body);
    return RenderedPrompt{std::move(text.bytes), std::move(text.plain)};
  } catch (const jinja::Raised& raised) {
    return refuse(raised.what(), "messages");
  } catch (const jinja::Failure& failure) {
    return refuse(described(failure), "messages");
  }
}

}  // namespace troupe::model
