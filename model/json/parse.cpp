#include "model/json/parse.hpp"

#include <string>
#include <unordered_set>
#include <vector>

#include "model/json/stand_in.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/file.hpp"

namespace troupe::model {

using nlohmann::json;

json parse_json(std::string_view text, std::string_view where) {
  refuse_stand_in(text, where);
  std::vector<std::unordered_set<std::string>> keys;  // of the objects that are open
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
    throw Error(std::string("is not valid JSON: ") + failure.what(), where);
  }
}

json load_json(const std::filesystem::path& file, std::size_t max_bytes) {
  return parse_json(read_file(file, max_bytes), file.string());
}

}  // namespace troupe::model
