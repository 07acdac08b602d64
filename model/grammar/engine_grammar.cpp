#include "model/grammar/engine_grammar.hpp"

#include <xgrammar/grammar.h>

#include <functional>
#include <string>

#include "model/grammar/bounded_strings.hpp"
#include "model/grammar/compile_deadline.hpp"
#include "model/grammar/engine_messages.hpp"
#include "model/grammar/schema_fault.hpp"
#include "model/grammar/schema_rewrite.hpp"
#include "model/grammar/tool_calls.hpp"

namespace troupe::model {
namespace {

using xgrammar::Grammar;

// What the engine would do all the same, had it been let; a refusal does not.
std::string without_consequence(std::string complaint) {
  for (const std::string_view ending :
       {"; falling back to anyOf semantics", "; ignoring multipleOf", " It is ignored."})
    if (const auto at = complaint.find(ending); at != complaint.npos) complaint.erase(at, ending.size());
  if (const auto at = complaint.find(" is ignored"); at != complaint.npos)
    complaint.replace(at, std::string_view(" is ignored").size(), " cannot be kept");
  return complaint;
}

constexpr std::size_t max_complaint_bytes = 200;  // the engine's may quote a whole schema

tl::unexpected<Refusal> unusable(std::string why) {
  if (why.size() > max_complaint_bytes) why = why.substr(0, max_complaint_bytes) + "...";
  return refuse("the grammar cannot be used: " + why);
}

// What the engine says against its work; empty: nothing. A warning is of a part that it leaves out.
std::string complaint(const std::function<void()>& work) try {
  const EngineWarnings warnings;
  work();
  return warnings.messages().empty() ? std::string() : without_consequence(warnings.messages().front());
} catch (const EngineTimeout&) {
  throw;
} catch (const std::exception& e) {
  return e.what();
}

Grammar from_schema(const Schema& schema, const GrammarSpec& spec) {
  return Grammar::FromJSONSchema(schema.dump(), spec.any_whitespace, std::nullopt, std::nullopt, spec.strict);
}

Grammar from_tag(const Schema& format) {
  auto result = Grammar::FromStructuralTag(Schema{{"type", "structural_tag"}, {"format", format}}.dump());
  if (auto* grammar = std::get_if<Grammar>(&result)) return *grammar;
  throw std::runtime_error(
      std::visit([](const auto& error) { return std::string(error.what()); }, std::get<1>(result)));
}

// The schema in words that the engine takes whole.
Expected<Schema> usable_schema(const Schema& schema, const GrammarSpec& spec) {
  auto rewritten = rewrite_schema(schema);
  if (!rewritten) return unusable(rewritten.error().message);
  const auto complain = [&](const Schema& part) { return complaint([&] { from_schema(part, spec); }); };
  if (complain(*rewritten).empty()) return rewritten;
  const SchemaFault fault = schema_fault(*rewritten, complain);
  return unusable(place_of(fault.at) + ": " + fault.complaint);
}

Expected<Grammar> schema_grammar(const Schema& schema, const GrammarSpec& spec) {
  const auto usable = usable_schema(schema, spec);
  if (!usable) return tl::unexpected(usable.error());
  return with_bounded_strings(from_schema(*usable, spec));
}

Expected<Grammar> regex_grammar(const std::string& regex) {
  std::optional<Grammar> grammar;
  const EngineWarnings said;  // of anchors and escapes, which check_regex() has judged
  const std::string fault = complaint([&] { grammar = Grammar::FromRegex(regex); });
  if (!grammar) return unusable(fault);
  return *grammar;
}

Expected<Grammar> choice_grammar(const std::string& text) {
  Schema elements = Schema::array();
  for (const Schema& choice : Schema::parse(text))
    elements.push_back({{"type", "const_string"}, {"value", choice}});
  return from_tag({{"type", "or"}, {"elements", elements}});
}

Expected<Grammar> ebnf_grammar(const std::string& text) {
  std::optional<Grammar> grammar;
  const std::string fault = complaint([&] { grammar = Grammar::FromEBNF(text); });
  if (!fault.empty()) return unusable(fault);
  return *grammar;
}

Expected<Grammar> tool_calls_grammar(const GrammarSpec& spec, const Tokenizer& tokenizer) {
  Schema calls = Schema::parse(spec.text);
  for (Schema& tool : calls["tools"]) {
    auto parameters = usable_schema(tool["parameters"], spec);
    if (!parameters) {
      parameters.error().message += " (the parameters of tool " + tool["name"].get<std::string>() + ")";
      return tl::unexpected(parameters.error());
    }
    tool["parameters"] = std::move(*parameters);
  }
  return with_bounded_strings(from_tag(tool_calls_format(calls, tokenizer)));
}

Expected<Grammar> convert(const GrammarSpec& spec, const Tokenizer& tokenizer) {
  switch (spec.kind) {
    case GrammarSpec::Kind::json_object:
      return from_schema({{"type", "object"}, {"additionalProperties", true}}, spec);
    case GrammarSpec::Kind::json_schema:
      return schema_grammar(Schema::parse(spec.text), spec);
    case GrammarSpec::Kind::regex:
      return regex_grammar(spec.text);
    case GrammarSpec::Kind::choice:
      return choice_grammar(spec.text);
    case GrammarSpec::Kind::ebnf:
      return ebnf_grammar(spec.text);
    case GrammarSpec::Kind::tool_calls:
      return tool_calls_grammar(spec, tokenizer);
  }
  CHECK(false, "a kind of grammar that nobody knows");
}

}  // namespace

Expected<std::shared_ptr<const Grammar>> engine_grammar(const GrammarSpec& spec, const Tokenizer& tokenizer) {
  auto grammar = convert(spec, tokenizer);
  if (!grammar) return tl::unexpected(grammar.error());
  return std::make_shared<const Grammar>(std::move(*grammar));
}

}  // namespace troupe::model
