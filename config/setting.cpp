#include "config/setting.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <nlohmann/json.hpp>
#include <type_traits>
#include <utility>

namespace troupe::config {
namespace {

template <class T>
struct Plain {
  using type = T;
};
template <class T>
struct Plain<std::optional<T>> {
  using type = T;
};

// Calls visitor(target).
template <class Visitor>
auto visit_target(const Target& target, Visitor&& visitor) {
  return std::visit([&](auto* at) { return visitor(*at); }, target);
}

using Seconds = std::chrono::duration<double>;

// What the setting and its target permit together.
Range range_of(const Setting& setting) {
  return visit_target(setting.target, [range = setting.range]<class T>(const T&) mutable {
    using Value = typename Plain<T>::type;
    if constexpr (std::is_integral_v<Value> && !std::is_same_v<Value, bool>) {
      if (std::cmp_greater(range.high, std::numeric_limits<Value>::max()))
        range.high = std::int64_t(std::numeric_limits<Value>::max());
      if (std::cmp_less(range.low, std::numeric_limits<Value>::min()))
        range.low = std::int64_t(std::numeric_limits<Value>::min());
    } else if constexpr (std::is_same_v<Value, std::chrono::milliseconds>) {
      range.high = std::min(range.high, std::chrono::floor<std::chrono::seconds>(Value::max()).count());
    }
    return range;
  });
}

struct Reading {
  const Setting& setting;
  const std::string& text;
  const std::string& source;

  [[noreturn]] void wrong(const std::string& what, const std::string& remedy) const {
    throw UsageError((setting.secret ? std::string("its value") : "'" + text + "'") + " " + what, source,
                     remedy);
  }

  std::string bound(std::int64_t value) const {
    return std::to_string(value) + (kind_of(setting) == Kind::seconds ? " seconds" : "");
  }
  std::string permitted() const {
    const Range range = range_of(setting);
    const bool open_end = range.high == std::numeric_limits<std::int64_t>::max();
    std::string words = range.above_low ? "permitted: above " : "permitted: ";
    words += bound(range.low);
    if (open_end) return words + (range.above_low ? "" : " or more");
    return words + (range.above_low ? ", up to " : " to ") + bound(range.high);
  }

  template <class Number>
  Number in_range(Number value) const {
    const Range range = range_of(setting);
    // long double holds every int64 exactly.
    const auto wide = static_cast<long double>(value);
    if (wide < range.low || wide > range.high || (range.above_low && wide == range.low))
      wrong("is out of range", permitted());
    return value;
  }

  template <class Number>
  Number number(std::string_view digits, const std::string& kind) const {
    Number value{};
    const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (failure == std::errc::result_out_of_range) wrong("is out of range", permitted());
    if (failure != std::errc{} || end != digits.data() + digits.size()) wrong("is not " + kind, permitted());
    if constexpr (std::is_floating_point_v<Number>)
      if (!std::isfinite(value)) wrong("is not " + kind, permitted());
    return value;
  }

  void read(bool& out) const {
    std::string lower = text;
    std::transform(lower.begin(), lower.end(), lower.begin(),
                   [](unsigned char c) { return std::tolower(c); });
    if (lower == "true" || lower == "1" || lower == "yes" || lower == "on")
      out = true;
    else if (lower == "false" || lower == "0" || lower == "no" || lower == "off")
      out = false;
    else
      wrong("is neither true nor false", "permitted: true or false");
  }
  // One of the choices, where there are some.
  const std::string& word() const {
    const auto& choices = setting.choices;
    if (!choices.empty() && setting.besides.empty() &&
        std::find(choices.begin(), choices.end(), text) == choices.end()) {
      std::string known = "permitted:";
      for (const std::string& each : choices) known.append(" ").append(each);
      for (const auto& [refused, why] : setting.refused)
        if (text == refused) wrong(std::string(why), known);
      wrong("is unknown", known);
    }
    return text;
  }
  void read(std::string& out) const { out = word(); }
  void read(std::integral auto& out) const {
    out = static_cast<std::remove_reference_t<decltype(out)>>(
        in_range(number<std::int64_t>(text, "a whole number")));
  }
  void read(double& out) const { out = in_range(number<double>(text, "a number")); }
  // To the millisecond: what is kept is what must be in range, so that a tiny timeout does not become none.
  void read(std::chrono::milliseconds& out) const {
    constexpr double thousand = 1000;
    const double kept = std::round(number<double>(text, "a number of seconds") * thousand);
    in_range(kept / thousand);
    out = std::chrono::milliseconds(static_cast<std::int64_t>(kept));
  }
  // Digits, then nothing or one of K, M, G, T (powers of 1024), perhaps followed by "iB" or "B".
  void read(ByteSize& out) const {
    std::string_view digits = text;
    for (std::string_view tail : {"iB", "B"})
      if (digits.ends_with(tail)) {
        digits.remove_suffix(tail.size());
        break;
      }
    constexpr std::string_view units = "KMGT";
    int shift = 0;
    if (!digits.empty()) {
      const auto unit = units.find(char(std::toupper(static_cast<unsigned char>(digits.back()))));
      if (unit != units.npos) {
        shift = 10 * (int(unit) + 1);
        digits.remove_suffix(1);
      }
    }
    const auto count = number<std::int64_t>(digits, "a size in bytes, such as 512M or 4G");
    if (count < 0 || count > (std::numeric_limits<std::int64_t>::max() >> shift))
      wrong("is out of range", permitted());
    out.bytes = std::size_t(in_range(count << shift));
  }
  template <class T>
  void read(std::optional<T>& out) const {
    T value{};
    read(value);
    out = value;
  }
};

std::string quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}
std::string shown(bool value) {
  return value ? "true" : "false";
}
std::string shown(const std::string& value) {
  return value.empty() ? "" : quoted(value);
}
std::string shown(const std::vector<std::string>& values) {
  std::string list;
  for (const auto& each : values) list += (list.empty() ? "[" : ", ") + quoted(each);
  return list.empty() ? "" : list + "]";
}
std::string shown(std::integral auto value) {
  return std::to_string(value);
}
std::string shown(double value) {
  return nlohmann::json(value).dump();
}
std::string shown(ByteSize value) {
  constexpr std::string_view units = "KMGT";
  int unit = 0;
  while (unit < int(units.size()) && value.bytes != 0 && value.bytes % 1024 == 0) {
    value.bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? std::to_string(value.bytes) : quoted(std::to_string(value.bytes) + units[unit - 1]);
}
std::string shown(std::chrono::milliseconds value) {
  return shown(Seconds(value).count());
}
template <class T>
std::string shown(const std::optional<T>& value) {
  return value ? shown(*value) : "";
}

}  // namespace

void append(Table& table, Table rows, std::string_view section) {
  for (Setting& each : rows) {
    each.section = section;
    table.push_back(std::move(each));
  }
}

std::string variable_name(const Setting& setting) {
  std::string name = "TROUPE_";
  for (char c : setting.name) name += c == '-' ? '_' : char(std::toupper(static_cast<unsigned char>(c)));
  return name;
}

Kind kind_of(const Setting& setting) {
  return visit_target(setting.target, []<class T>(const T&) {
    using Value = typename Plain<T>::type;
    if constexpr (std::is_same_v<Value, bool>)
      return Kind::boolean;
    else if constexpr (std::is_same_v<Value, std::string>)
      return Kind::text;
    else if constexpr (std::is_same_v<Value, std::vector<std::string>>)
      return Kind::texts;
    else if constexpr (std::is_integral_v<Value>)
      return Kind::whole;
    else if constexpr (std::is_same_v<Value, double>)
      return Kind::number;
    else if constexpr (std::is_same_v<Value, ByteSize>)
      return Kind::size;
    else
      return Kind::seconds;
  });
}

void assign(const Given& given) {
  Setting& setting = *given.setting;
  if (auto* list = std::get_if<std::vector<std::string>*>(&setting.target)) {
    std::vector<std::string> words;
    for (const std::string& text : given.texts) words.push_back(Reading{setting, text, given.source}.word());
    **list = std::move(words);
  } else {
    CHECK(given.texts.size() == 1);
    const Reading reading{setting, given.texts.front(), given.source};
    visit_target(setting.target, [&]<class T>(T& out) {
      if constexpr (!std::is_same_v<T, std::vector<std::string>>) reading.read(out);
    });
  }
  setting.source = given.source;
}

std::string toml_value(const Setting& setting) {
  return visit_target(setting.target, [](const auto& value) { return shown(value); });
}

}  // namespace troupe::config
