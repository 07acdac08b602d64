#include "model/grammar/engine_grammar.hpp"

#include <xgrammar/grammar.h>

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "model/grammar/bounded_strings.hpp"
#include "model/grammar/dsml_grammar.hpp"
#include "model/grammar/engine_bounds.hpp"
#include "model/grammar/engine_messages.hpp"
#include "model/grammar/regex_check.hpp"
#include "model/grammar/schema_fault.hpp"
#include "model/grammar/schema_rewrite.hpp"
#include "model/grammar/tool_calls.hpp"
#include "runtime/base/shortened.hpp"

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

constexpr std::size_t max_told_tool_bytes = 64;  // of its name

tl::unexpected<Refusal> unusable(const std::string& why) {
  return refuse("the grammar cannot be used: " + shortened(why, max_complaint_bytes));
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

// A schema in words that the engine takes whole, and what it makes of it.
struct UsableSchema {
  Schema schema;
  Grammar grammar;
};

Expected<UsableSchema> usable_schema(const Schema& schema, const GrammarSpec& spec) {
  auto rewritten = rewrite_schema(schema);
  if (!rewritten) return unusable(rewritten.error().message);
  std::optional<Grammar> grammar;
  const auto complain = [&](const Schema& part) {
    return complaint([&] { grammar = from_schema(part, spec); });
  };
  if (complain(*rewritten).empty()) return UsableSchema{std::move(*rewritten), std::move(*grammar)};
  const SchemaFault fault = schema_fault(*rewritten, complain);
  return unusable(place_of(fault.at) + ": " + fault.complaint);
}

Expected<Grammar> schema_grammar(const Schema& schema, const GrammarSpec& spec) {
  const auto usable = usable_schema(schema, spec);
  if (!usable) return tl::unexpected(usable.error());
  return with_bounded_strings(usable->grammar);
}

Expected<Grammar> regex_grammar(const std::string& regex) {
  std::optional<Grammar> grammar;
  const EngineWarnings said;  // of anchors and escapes, which check_regex() has judged
  const std::string fault = complaint([&] { grammar = Grammar::FromRegex(regex); });
  if (!grammar) return unusable(fault);  // by the position in what the client wrote
  return Grammar::FromRegex(with_dots_within_lines(regex));
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
  Schema calls = Schema::parse(*spec.text);
  const auto ending = token_in_calls(spec, tokenizer);
  for (Schema& tool : calls["tools"]) {
    auto parameters = usable_schema(tool["parameters"], spec);
    if (!parameters) {
      parameters.error().message +=
          " (the parameters of tool " + shortened(tool["name"].get<std::string>(), max_told_tool_bytes) + ")";
      return tl::unexpected(parameters.error());
    }
    if (ending && parameters->schema.dump().find(tokenizer.token_bytes(*ending)) != std::string::npos)
      return unusable("the parameters of tool " +
                      shortened(tool["name"].get<std::string>(), max_told_tool_bytes) +
                      " have a marker of the model's own in them, with which a call would end");
    tool["parameters"] = std::move(parameters->schema);
  }
  const Grammar grammar = with_bounded_strings(from_tag(tool_calls_format(calls, tokenizer)));
  const bool dsml = calls["form"].get<ToolCallSyntax>() == ToolCallSyntax::dsml;
  return dsml && ending ? with_dsml_token(grammar, *ending) : grammar;
}

Expected<Grammar> convert(const GrammarSpec& spec, const Tokenizer& tokenizer) {
  switch (spec.kind) {
    case GrammarSpec::Kind::json_object:
      return from_schema({{"type", "object"}, {"additionalProperties", true}}, spec);
    case GrammarSpec::Kind::json_schema:
      return schema_grammar(Schema::parse(*spec.text), spec);
    case GrammarSpec::Kind::regex:
      return regex_grammar(*spec.text);
    case GrammarSpec::Kind::choice:
      return choice_grammar(*spec.text);
    case GrammarSpec::Kind::ebnf:
      return ebnf_grammar(*spec.text);
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
