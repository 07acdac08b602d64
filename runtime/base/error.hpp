// The three kinds of failure, and how each is treated.
//
//   refusal       the caller asked for what cannot be had: a value, Expected<T>
//   failure       a file, socket, GPU or peer let us down: throw Error, which says what, where and what to do
//   broken code   an invariant does not hold: CHECK names it and stops the process, in release builds too
#pragma once

#include <cstdint>
#include <source_location>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

namespace troupe {

// What is wrong with what was asked; the edge has the table of what each is over HTTP.
enum class RefusalKind {
  invalid,
  unauthorized,
  forbidden,
  not_found,
  method_not_allowed,
  timeout,
  gone,  // it was here
  too_large,
  unprocessable,  // it is well formed, and contradicts what was asked before
  headers_too_large,
  rate_limited,
  cancelled,
  internal,
  unavailable,
};

struct Refusal {
  RefusalKind kind = RefusalKind::invalid;
  std::string message;  // a sentence for the caller; holds no prompt or output text
  std::string param;    // the field of the request that is at fault; may be empty
  std::string code;     // a short machine-readable name such as "context_length_exceeded"; may be empty
  std::int32_t retry_after = 0;  // seconds, after which the same may be had; 0: nobody knows
};
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, Refusal& x) {
  return f(x.kind, x.message, x.param, x.code, x.retry_after);
}

template <class T>
using Expected = tl::expected<T, Refusal>;

inline tl::unexpected<Refusal> refuse(RefusalKind kind, std::string message, std::string param = {},
                                      std::string code = {}) {
  return tl::unexpected<Refusal>({kind, std::move(message), std::move(param), std::move(code)});
}
inline tl::unexpected<Refusal> refuse(std::string message, std::string param = {}, std::string code = {}) {
  return refuse(RefusalKind::invalid, std::move(message), std::move(param), std::move(code));
}

class Error : public std::runtime_error {
 public:
  // what: what went wrong; where: file, tensor, address; remedy: what the operator can do (may be empty).
  Error(std::string_view what, std::string_view where, std::string_view remedy = {});
};

[[noreturn]] void check_failed(std::string_view condition, std::string_view message, std::source_location at);

}  // namespace troupe

// CHECK(condition) or CHECK(condition, message): message is evaluated only on failure.
#define CHECK(condition, ...)                                                                         \
  (static_cast<bool>(condition) ? void(0)                                                             \
                                : ::troupe::check_failed(#condition, ::std::string_view{__VA_ARGS__}, \
                                                         ::std::source_location::current()))
