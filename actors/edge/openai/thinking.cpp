#include "actors/edge/openai/thinking.hpp"

#include "actors/edge/reasoning_effort.hpp"

namespace troupe::actors::edge::openai {
namespace {

// Said in several ways, which must agree.
class Wish {
 public:
  explicit Wish(RequestFields& fields) : fields_(fields) {}

  void add(const std::string& field, bool thinks) {
    if (thinks_ && *thinks_ != thinks) fields_.invalid(field, "It contradicts '" + field_ + "'.");
    if (thinks_) return;
    thinks_ = thinks;
    field_ = field;
  }

  std::optional<bool> thinks() const { return thinks_; }
  const std::string& field() const { return field_; }  // that said it first

 private:
  RequestFields& fields_;
  std::optional<bool> thinks_;
  std::string field_;
};

void read_budget(RequestFields& thinking, runtime::GenerationRequest& out) {
  const auto budget = thinking.integer("budget_tokens", 0, int32_max);
  if (!budget) return;
  if (out.thinking_token_budget.value_or(std::int32_t(*budget)) != *budget)
    thinking.invalid("budget_tokens", "It contradicts 'thinking_token_budget'.");
  out.thinking_token_budget = std::int32_t(*budget);
}

// {"type": "enabled", "budget_tokens"}, or a boolean.
void read_thinking_field(RequestFields& fields, Wish& wish, runtime::GenerationRequest& out) {
  const Json* thinking = fields.find("thinking");
  if (!thinking) return;
  if (thinking->is_boolean()) return wish.add("thinking", thinking->get<bool>());
  if (!thinking->is_object()) return fields.wrong_type("thinking", "an object or a boolean");
  RequestFields inside(*thinking, "thinking.");
  const std::string type = inside.needed_text("type");
  if (type != "enabled" && type != "disabled") inside.invalid("type", "Expected 'enabled' or 'disabled'.");
  read_budget(inside, out);
  if (inside.refusal()) return fields.keep(*inside.refusal());
  wish.add("thinking", type == "enabled");
}

void read_effort(RequestFields& fields, const ModelInfo& model, Wish& wish, runtime::ChatPrompt& prompt) {
  const auto effort = read_reasoning_effort(fields, "reasoning_effort", true);
  if (!effort) return;
  // It is how much, where there are thoughts at all: clients send one to every model.
  if (model.thinks || *effort == "none") wish.add("reasoning_effort", *effort != "none");
  if (*effort != "none") prompt.reasoning_effort = *effort;
}

}  // namespace

void read_thinking(RequestFields& fields, const ModelInfo& model, runtime::ChatPrompt& prompt,
                   ApiRequest& request) {
  Wish wish(fields);
  read_thinking_field(fields, wish, request.generation);
  if (fields.find("enable_thinking")) wish.add("enable_thinking", fields.boolean("enable_thinking", true));
  for (const char* name : {"thinking", "enable_thinking"})
    if (const auto set = prompt.template_kwargs.find(name);
        set != prompt.template_kwargs.end() && set->is_boolean())
      wish.add("chat_template_kwargs", set->get<bool>());
  read_effort(fields, model, wish, prompt);
  prompt.thinking = wish.thinks();
  if (!wish.thinks()) return;
  if (*wish.thinks() && !model.thinks) fields.unsupported(wish.field(), "the model does not think.");
  request.own_names.push_back({"thinking", wish.field()});
}

}  // namespace troupe::actors::edge::openai
