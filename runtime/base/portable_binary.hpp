// Values as bytes and back, in cereal's portable binary form: of any machine, and nothing in them says what they are. Any thread.
#pragma once

#include <cereal/archives/portable_binary.hpp>
#include <cstdint>
#include <istream>
#include <sstream>
#include <streambuf>
#include <string>
#include <string_view>

namespace troupe {

template <class T>
std::string portable_binary(const T& value) {
  std::ostringstream out;
  cereal::PortableBinaryOutputArchive archive(out);
  archive(value);
  return std::move(out).str();
}

// Throws cereal::Exception for what is too short.
template <class T>
void read_portable_binary(std::string_view bytes, T& value) {
  struct View : std::streambuf {
    explicit View(std::string_view bytes) {
      char* const begin = const_cast<char*>(bytes.data());  // which is only read
      setg(begin, begin, begin + bytes.size());
    }
  } view(bytes);
  std::istream in(&view);
  cereal::PortableBinaryInputArchive archive(in);
  archive(value);
}

// A text among a value's fields. most: bytes that there can be, so that a wrong size takes no memory.
template <class Archive>
void archive_text(Archive& archive, std::string& text, std::size_t most) {
  auto size = std::uint32_t(text.size());
  archive(size);
  if (size > most) throw cereal::Exception("a text is too long");
  text.resize(size);
  archive(cereal::binary_data(text.data(), text.size()));
}

}  // namespace troupe
