// Checked reading of the JSON files of a checkpoint. Errors name the file and the field. A JsonFields belongs
// to one thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "runtime/base/ids.hpp"

namespace troupe::model {

constexpr int max_json_depth = 16;             // objects and arrays within each other
constexpr std::size_t max_token_id_list = 64;  // entries of a field such as eos_token_id

// Throws Error for what is not UTF-8 JSON, repeats a key in one object, or nests deeper than max_json_depth.
nlohmann::json parse_json(std::string_view text, std::string_view where);
// Throws Error also for what is no readable regular file of at most max_bytes.
nlohmann::json load_json(const std::filesystem::path& file, std::size_t max_bytes);

// The fields of one JSON object. A field that is null counts as absent. The object must outlive this.
class JsonFields {
 public:
  // prefix: put before field names in errors, such as "rope_scaling.". Throws Error if json is no object.
  JsonFields(const nlohmann::json& json, std::string_view where, std::string_view prefix = {});

  // The value, or null when absent.
  const nlohmann::json* find(std::string_view name);

  // Each throws Error when the field has another type or is out of [lowest, highest]; the first two also when
  // it is absent.
  std::int64_t integer(std::string_view name, std::int64_t lowest, std::int64_t highest);
  double number(std::string_view name, double lowest, double highest);
  std::optional<std::int64_t> optional_integer(std::string_view name, std::int64_t lowest,
                                               std::int64_t highest);
  std::optional<double> optional_number(std::string_view name, double lowest, double highest);
  std::optional<bool> optional_boolean(std::string_view name);
  std::optional<std::string> optional_text(std::string_view name);
  // One id or a list of them; empty when absent.
  std::vector<TokenId> token_ids(std::string_view name, std::int64_t vocab_size);

  void ignore(std::initializer_list<std::string_view> names);
  // Throws Error that names a field which is set and was not asked for or ignored.
  void refuse_others() const;
  // Throws Error about a field: "/model/config.json: n_group must divide n_routed_experts".
  [[noreturn]] void refuse_field(std::string_view name, std::string_view why) const;

 private:
  const nlohmann::json& json_;
  std::string where_, prefix_;
  std::set<std::string, std::less<>> asked_;
};

}  // namespace troupe::model
