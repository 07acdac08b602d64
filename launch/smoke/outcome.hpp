// How a check came out. Plain values.
#pragma once

#include <string>

#include "runtime/base/error.hpp"

namespace troupe::launch::smoke {

enum class Verdict {
  passed,
  failed,    // the server does not do what its API says
  poor,      // it does, and the model has answered badly
  left_out,  // there is nothing to check
};

struct Outcome {
  Verdict verdict = Verdict::passed;
  std::string detail;
};

inline Outcome passed(std::string detail) {
  return {Verdict::passed, std::move(detail)};
}
inline Outcome failed(std::string detail) {
  return {Verdict::failed, std::move(detail)};
}
inline Outcome poor(std::string detail) {
  return {Verdict::poor, std::move(detail)};
}
inline Outcome left_out(std::string detail) {
  return {Verdict::left_out, std::move(detail)};
}

// What a check would look at did not come, as another check has told. Thrown.
class NothingToCheck : public Error {
 public:
  using Error::Error;
};

}  // namespace troupe::launch::smoke
