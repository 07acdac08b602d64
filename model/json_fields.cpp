#include "model/json_fields.hpp"

#include <cmath>
#include <fstream>
#include <vector>

#include "runtime/base/error.hpp"

namespace troupe::model {

using nlohmann::json;

namespace {

std::string quoted(double value) {
  return json(value).dump();
}

}  // namespace

json parse_json(std::string_view text, std::string_view where) {
  std::vector<std::set<std::string>> keys;  // of the objects that are open
  const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
    switch (event) {
      case json::parse_event_t::object_start:
      case json::parse_event_t::array_start:
        if (depth >= max_json_depth) {
          throw Error("JSON nests deeper than max_json_depth, " + std::to_string(max_json_depth), where);
        }
        if (event == json::parse_event_t::object_start) keys.emplace_back();
        break;
      case json::parse_event_t::object_end:
        keys.pop_back();
        break;
      case json::parse_event_t::key:
        if (!keys.back().insert(parsed.get<std::string>()).second) {
          throw Error("JSON has " + parsed.dump() + " twice in one object", where);
        }
        break;
      default:
        break;
    }
    return true;
  };
  try {
    return json::parse(text, check);
  } catch (const json::exception& failure) {
    throw Error(std::string("not valid JSON: ") + failure.what(), where);
  }
}

json load_json(const std::filesystem::path& file, std::size_t max_bytes) {
  std::error_code failure;
  if (!std::filesystem::is_regular_file(file, failure)) throw Error("no such file", file.string());
  const std::uintmax_t size = std::filesystem::file_size(file, failure);
  if (failure) throw Error("cannot be read: " + failure.message(), file.string());
  if (size > max_bytes) {
    throw Error("has " + std::to_string(size) + " bytes, more than the " + std::to_string(max_bytes) +
                    " that are accepted",
                file.string());
  }
  std::string text(size, '\0');
  std::ifstream in(file, std::ios::binary);
  if (!in.read(text.data(), std::streamsize(size))) throw Error("cannot be read", file.string());
  return parse_json(text, file.string());
}

JsonFields::JsonFields(const json& json, std::string_view where, std::string_view prefix)
    : json_(json), where_(where), prefix_(prefix) {
  if (json.is_object()) return;
  const std::string_view name = prefix.empty() ? prefix : prefix.substr(0, prefix.size() - 1);
  throw Error(std::string(name) + (name.empty() ? "" : " ") + "must be a JSON object", where);
}

const json* JsonFields::find(std::string_view name) {
  asked_.emplace(name);
  const auto field = json_.find(name);
  return field == json_.end() || field->is_null() ? nullptr : &*field;
}

std::int64_t JsonFields::integer(std::string_view name, std::int64_t lowest, std::int64_t highest) {
  const auto value = optional_integer(name, lowest, highest);
  if (!value) refuse_field(name, "is missing");
  return *value;
}

double JsonFields::number(std::string_view name, double lowest, double highest) {
  const auto value = optional_number(name, lowest, highest);
  if (!value) refuse_field(name, "is missing");
  return *value;
}

std::optional<std::int64_t> JsonFields::optional_integer(std::string_view name, std::int64_t lowest,
                                                         std::int64_t highest) {
  const json* field = find(name);
  if (field == nullptr) return std::nullopt;
  const bool fits = !field->is_number_unsigned() || field->get<std::uint64_t>() <= std::uint64_t(INT64_MAX);
  if (!field->is_number_integer()) refuse_field(name, "must be an integer");
  if (!fits || field->get<std::int64_t>() < lowest || field->get<std::int64_t>() > highest) {
    refuse_field(name, "is " + field->dump() + "; it must be between " + std::to_string(lowest) + " and " +
                           std::to_string(highest));
  }
  return field->get<std::int64_t>();
}

std::optional<double> JsonFields::optional_number(std::string_view name, double lowest, double highest) {
  const json* field = find(name);
  if (field == nullptr) return std::nullopt;
  if (!field->is_number()) refuse_field(name, "must be a number");
  const double value = field->get<double>();
  if (!std::isfinite(value) || value < lowest || value > highest) {
    refuse_field(
        name, "is " + field->dump() + "; it must be between " + quoted(lowest) + " and " + quoted(highest));
  }
  return value;
}

std::optional<bool> JsonFields::optional_boolean(std::string_view name) {
  const json* field = find(name);
  if (field == nullptr) return std::nullopt;
  if (!field->is_boolean()) refuse_field(name, "must be true or false");
  return field->get<bool>();
}

std::optional<std::string> JsonFields::optional_text(std::string_view name) {
  const json* field = find(name);
  if (field == nullptr) return std::nullopt;
  if (!field->is_string()) refuse_field(name, "must be a string");
  return field->get<std::string>();
}

std::vector<TokenId> JsonFields::token_ids(std::string_view name, std::int64_t vocab_size) {
  const json* field = find(name);
  if (field == nullptr) return {};
  if (field->is_number()) return {TokenId(integer(name, 0, vocab_size - 1))};
  if (!field->is_array()) refuse_field(name, "must be a token id or a list of token ids");
  if (field->size() > max_token_id_list) {
    refuse_field(name, "lists more than max_token_id_list, " + std::to_string(max_token_id_list));
  }
  std::vector<TokenId> ids;
  for (const json& entry : *field) {
    json wrapped = json::object();
    wrapped[std::string(name)] = entry;
    ids.push_back(TokenId(JsonFields(wrapped, where_, prefix_).integer(name, 0, vocab_size - 1)));
  }
  return ids;
}

void JsonFields::ignore(std::initializer_list<std::string_view> names) {
  asked_.insert(names.begin(), names.end());
}

void JsonFields::refuse_others() const {
  for (const auto& [name, value] : json_.items()) {
    if (!value.is_null() && !asked_.contains(name)) {
      throw Error("field " + prefix_ + name + " is not known", where_,
                  "it might change the model's arithmetic; remove it if it does not");
    }
  }
}

void JsonFields::refuse_field(std::string_view name, std::string_view why) const {
  throw Error(prefix_ + std::string(name) + " " + std::string(why), where_);
}

}  // namespace troupe::model
