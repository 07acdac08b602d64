// Gloo's installed tcp headers include this file, and Debian's libgloo-dev (20220518) does not ship it. It holds the
// handles by which Gloo's pairs and buffers refer to each other across threads. Written for this project: only what the
// compiled library fixes is Gloo's, the names and that each handle is one shared or weak pointer.
#pragma once

#include <memory>
#include <thread>

namespace gloo {

template <typename T>
class WeakNonOwningPtr;

// Keeps the object from being destroyed as long as it is held; empty if the object had gone already.
template <typename T>
class NonOwningPtr final {
 public:
  NonOwningPtr() = default;
  explicit NonOwningPtr(const WeakNonOwningPtr<T>& weak) : hold_(weak.object_.lock()) {}
  T* operator->() const noexcept { return hold_.get(); }
  explicit operator bool() const noexcept { return hold_ != nullptr; }

 private:
  std::shared_ptr<T> hold_;
};

// The object's own end: its destructor waits until nobody holds the object any more.
template <typename T>
class ShareableNonOwningPtr final {
 public:
  explicit ShareableNonOwningPtr(T* object) : object_(object, [](T*) {}) {}
  ShareableNonOwningPtr(const ShareableNonOwningPtr&) = delete;
  ShareableNonOwningPtr& operator=(const ShareableNonOwningPtr&) = delete;
  ~ShareableNonOwningPtr() {
    const std::weak_ptr<T> left = object_;
    object_.reset();
    while (!left.expired()) std::this_thread::yield();
  }

 private:
  friend class WeakNonOwningPtr<T>;
  std::shared_ptr<T> object_;
};

// Refers to the object without holding it. True if it was made from an object, gone or not.
template <typename T>
class WeakNonOwningPtr final {
 public:
  explicit WeakNonOwningPtr(const ShareableNonOwningPtr<T>& of) : object_(of.object_) {}
  explicit operator bool() const noexcept {
    const std::weak_ptr<T> none;
    return none.owner_before(object_) || object_.owner_before(none);
  }

 private:
  friend class NonOwningPtr<T>;
  std::weak_ptr<T> object_;
};

}  // namespace gloo
