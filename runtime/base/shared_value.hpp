// A value that many hold and nobody changes: a copy of it is one more reference, and what crosses a network is the value
// itself. Any thread.
#pragma once

#include <initializer_list>
#include <memory>
#include <type_traits>
#include <utility>

namespace troupe {

template <class T>
class SharedValue {
 public:
  SharedValue() = default;  // T()
  template <class From, class = std::enable_if_t<!std::is_same_v<std::remove_cvref_t<From>, SharedValue> &&
                                                 std::is_convertible_v<From, T>>>
  SharedValue(From&& value) : value_(std::make_shared<const T>(std::forward<From>(value))) {}
  SharedValue(std::initializer_list<typename T::value_type> elements)
      : value_(std::make_shared<const T>(elements)) {}

  const T& operator*() const {
    static const T none{};
    return value_ ? *value_ : none;
  }
  const T* operator->() const { return &**this; }
  operator const T&() const { return **this; }
  friend bool operator==(const SharedValue& a, const SharedValue& b) { return &*a == &*b || *a == *b; }

 private:
  std::shared_ptr<const T> value_;
};
template <class Inspector, class T>
typename Inspector::result_type inspect(Inspector& f, SharedValue<T>& x) {
  if constexpr (Inspector::reads_state) {
    return f(*x);
  } else {
    T value;
    auto result = f(value);
    x = std::move(value);
    return result;
  }
}

}  // namespace troupe
