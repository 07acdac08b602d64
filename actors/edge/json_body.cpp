#include "actors/edge/json_body.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace troupe::actors::edge {
namespace {

// Walks the text without building it. Objects keep their keys in a list that is searched for each new one, so
// the number of keys is bounded as well as that of values, and so is what all those searches take.
class Limiter final : public nlohmann::json_sax<Json> {
 public:
  Limiter(const config::RequestLimits& limits, std::string_view name) : limits_(limits), name_(name) {}

  bool null() override { return value(); }
  bool boolean(bool) override { return value(); }
  bool number_integer(number_integer_t) override { return value(); }
  bool number_unsigned(number_unsigned_t) override { return value(); }
  bool number_float(number_float_t, const string_t&) override { return value(); }
  bool string(string_t&) override { return value(); }
  bool binary(binary_t&) override { return value(); }
  bool start_object(std::size_t) override { return open(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool end_array() override { return close(); }
  bool key(string_t&) override {
    comparisons_ += keys_.back();
    if (++keys_.back() > limits_.json_keys) return exceed("keys in one object", limits_.json_keys);
    return comparisons_ <= limits_.json_comparisons ||
           exceed("comparisons of keys, for its large objects", limits_.json_comparisons);
  }
  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception&) override {
    message_ = "The " + name_ + " is not valid JSON (at byte " + std::to_string(position) + ").";
    return false;
  }
  const std::string& message() const { return message_; }

 private:
  bool value() { return ++values_ <= limits_.json_values || exceed("values", limits_.json_values); }
  bool open() {
    keys_.push_back(0);
    return value() && (keys_.size() <= limits_.json_depth || exceed("levels", limits_.json_depth));
  }
  bool close() {
    keys_.pop_back();
    return true;
  }
  bool exceed(std::string_view what, std::size_t limit) {
    message_ = "The " + name_ + " has more than " + std::to_string(limit) + " " + std::string(what) + ".";
    return false;
  }

  const config::RequestLimits& limits_;
  const std::string name_;
  std::vector<std::size_t> keys_;  // of the objects that are open; 0 for arrays
  std::size_t values_ = 0, comparisons_ = 0;
  std::string message_;
};

}  // namespace

Expected<Json> parse_body(std::string_view body, const config::RequestLimits& limits, std::string_view name) {
  Limiter limiter(limits, name);
  if (!Json::sax_parse(body, &limiter)) return refuse(limiter.message(), "", "invalid_json");
  Json parsed = Json::parse(body);
  if (!parsed.is_object())
    return refuse("The " + std::string(name) + " must be a JSON object.", "", "invalid_json");
  return parsed;
}

}  // namespace troupe::actors::edge
