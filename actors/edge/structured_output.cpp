#include "actors/edge/structured_output.hpp"

#include <algorithm>
#include <vector>

#include "actors/edge/reply.hpp"

namespace troupe::actors::edge {
namespace {

using Kind = GrammarSpec::Kind;

std::optional<GrammarSpec> read_text(RequestFields& fields, std::string_view name, Kind kind) {
  const auto text = fields.text(name);
  if (!text) return std::nullopt;
  if (text->empty()) fields.invalid(name, "Expected a string that is not empty.");
  return GrammarSpec{.kind = kind, .text = *text};
}

std::optional<GrammarSpec> read_choice(RequestFields& fields, std::string_view name) {
  const Json* choices = fields.find(name);
  if (!choices) return std::nullopt;
  const auto is_text = [](const Json& each) { return each.is_string(); };
  if (!choices->is_array() || !std::ranges::all_of(*choices, is_text)) {
    fields.wrong_type(name, "an array of strings");
    return std::nullopt;
  }
  if (choices->empty()) fields.invalid(name, "Expected at least one string.", "empty_array");
  return GrammarSpec{.kind = Kind::choice, .text = dump(*choices)};
}

std::optional<GrammarSpec> read_json_object(RequestFields& fields, std::string_view name) {
  if (!fields.boolean(name, false)) return std::nullopt;
  return GrammarSpec{.kind = Kind::json_object};
}

std::optional<GrammarSpec> read_response_format(RequestFields& fields) {
  const Json* format = fields.object("response_format");
  if (!format) return std::nullopt;
  RequestFields inside(*format, fields.param("response_format") + ".");
  std::optional<GrammarSpec> spec;
  const auto type = inside.text("type");
  if (!type) inside.missing("type");
  if (type == "json_object") {
    spec = GrammarSpec{.kind = Kind::json_object};
  } else if (type == "json_schema") {
    if (const Json* named = inside.object("json_schema")) {
      RequestFields schema(*named, inside.param("json_schema") + ".");
      schema.text("name");
      spec = read_schema(schema, "schema");
      if (!spec) schema.missing("schema");
      if (spec) spec->strict = schema.boolean("strict", true);
      if (schema.refusal()) inside.keep(*schema.refusal());
    } else {
      inside.missing("json_schema");
    }
  } else if (type && *type != "text") {
    inside.unsupported("type", "send 'text', 'json_object' or 'json_schema'.");
  }
  if (inside.refusal()) fields.keep(*inside.refusal());
  return spec;
}

using Found = std::vector<StructuredOutput>;

void add(RequestFields& fields, const std::string& field, std::optional<GrammarSpec> spec, Found& found) {
  if (spec) found.push_back({std::move(*spec), fields.param(field)});
}

// The ways that structured_outputs and guided_* have in common. prefix: of their names.
void read_ways(RequestFields& fields, const std::string& prefix, Found& found) {
  const std::string json = prefix + "json", regex = prefix + "regex", choice = prefix + "choice",
                    grammar = prefix + "grammar", json_object = prefix + "json_object";
  add(fields, json, read_schema(fields, json), found);
  add(fields, regex, read_text(fields, regex, Kind::regex), found);
  add(fields, choice, read_choice(fields, choice), found);
  add(fields, grammar, read_text(fields, grammar, Kind::ebnf), found);
  add(fields, json_object, read_json_object(fields, json_object), found);
}

void read_ways_of_sglang(RequestFields& fields, Found& found) {
  add(fields, "json_schema", read_schema(fields, "json_schema"), found);
  add(fields, "regex", read_text(fields, "regex", Kind::regex), found);
  add(fields, "ebnf", read_text(fields, "ebnf", Kind::ebnf), found);
}

void read_structured_outputs(RequestFields& fields, Found& found) {
  const Json* object = fields.object("structured_outputs");
  if (!object) return;
  RequestFields inside(*object, fields.param("structured_outputs") + ".");
  const std::size_t before = found.size();
  read_ways(inside, "", found);
  const bool one_way = inside.boolean("disable_any_whitespace", false);
  const bool open = !inside.boolean("disable_additional_properties", true);
  for (std::size_t i = before; i < found.size(); ++i) {
    found[i].grammar.any_whitespace = !one_way;
    found[i].grammar.strict = !open;
  }
  for (const char* name : {"structural_tag", "whitespace_pattern"})
    if (inside.find(name)) inside.unsupported(name, "leave it out.");
  if (found.size() == before && !inside.refusal())
    inside.keep({RefusalKind::invalid,
                 "'structured_outputs' needs one of 'json', 'regex', 'choice', 'grammar' and 'json_object'.",
                 "structured_outputs", "invalid_value"});
  if (inside.refusal()) fields.keep(*inside.refusal());
}

}  // namespace

std::optional<GrammarSpec> read_schema(RequestFields& fields, std::string_view name) {
  const Json* schema = fields.find(name);
  if (!schema) return std::nullopt;
  if (schema->is_string()) return read_text(fields, name, Kind::json_schema);
  if (!schema->is_object() && !schema->is_boolean()) {
    fields.wrong_type(name, "an object or a string");
    return std::nullopt;
  }
  return GrammarSpec{.kind = Kind::json_schema, .text = dump(*schema)};
}

std::optional<StructuredOutput> read_structured_output(RequestFields& fields) {
  Found found;
  add(fields, "response_format", read_response_format(fields), found);
  read_structured_outputs(fields, found);
  read_ways(fields, "guided_", found);
  read_ways_of_sglang(fields, found);
  if (fields.find("guided_whitespace_pattern"))
    fields.unsupported("guided_whitespace_pattern", "leave it out.");
  fields.text("guided_decoding_backend");  // there is one
  if (found.size() > 1)
    fields.keep(
        {RefusalKind::invalid,
         "Only one of 'response_format', 'structured_outputs', 'guided_*', 'json_schema', 'regex' and 'ebnf' may "
         "say what the answer looks like.",
         "structured_outputs", "invalid_value"});
  return found.empty() ? std::nullopt : std::optional(std::move(found.front()));
}

void refuse_beside_forced_call(RequestFields& fields, const ApiRequest& request) {
  if (!request.generation.grammar) return;
  fields.keep(in_own_names(
      request.own_names,
      {RefusalKind::invalid,
       "Invalid 'response_format'. You can only either use constraints for structured outputs or "
       "tools, not both.",
       "response_format", "invalid_value"}));
}

}  // namespace troupe::actors::edge
