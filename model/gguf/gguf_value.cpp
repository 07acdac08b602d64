#include "model/gguf/gguf_value.hpp"

#include <cmath>
#include <cstdio>

#include "runtime/base/error.hpp"

namespace troupe::model {
namespace {

// An integer as one.
std::string text_of(double number) {
  char text[32];
  std::snprintf(text, sizeof text, "%.10g", number);
  return text;
}

}  // namespace

void GgufValue::fail(std::string_view what, std::string_view remedy) const {
  throw Error(what, where_, remedy);
}

template <class T>
const T& GgufValue::as(std::string_view type) const {
  const T* const held = std::get_if<T>(&held_);
  if (held == nullptr) fail("must be " + std::string(type));
  return *held;
}

bool GgufValue::boolean() const {
  return as<bool>("true or false");
}
std::string_view GgufValue::text() const {
  return as<std::string_view>("a string");
}
const GgufValue::Texts& GgufValue::texts() const {
  return as<Texts>("an array of strings");
}
const GgufValue::Numbers& GgufValue::numbers() const {
  return as<Numbers>("an array of numbers");
}

std::int64_t GgufValue::integer(std::int64_t lowest, std::int64_t highest) const {
  const auto value = as<std::int64_t>("an integer");
  if (value < lowest || value > highest)
    fail("is " + std::to_string(value) + "; it must be from " + std::to_string(lowest) + " to " +
         std::to_string(highest));
  return value;
}

double GgufValue::number(double lowest, double highest) const {
  const auto* const whole = std::get_if<std::int64_t>(&held_);
  const double value = whole ? double(*whole) : as<double>("a number");
  if (!(value >= lowest && value <= highest))
    fail("is " + text_of(value) + "; it must be from " + text_of(lowest) + " to " + text_of(highest));
  return value;
}

std::vector<std::int64_t> GgufValue::integers(std::int64_t lowest, std::int64_t highest) const {
  std::vector<std::int64_t> result;
  for (const double value : numbers()) {
    if (!(value >= double(lowest) && value <= double(highest)) || value != std::floor(value))
      fail("holds " + text_of(value) + "; integers from " + std::to_string(lowest) + " to " +
           std::to_string(highest) + " are allowed");
    result.push_back(std::int64_t(value));
  }
  return result;
}

}  // namespace troupe::model
