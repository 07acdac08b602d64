#include "runtime/lab/step_record.hpp"

#include <cereal/archives/portable_binary.hpp>
#include <fstream>

#include "runtime/base/error.hpp"

namespace troupe::runtime::lab {
namespace {

constexpr std::uint64_t signature = 0x3170657473707274;  // "trpstep1", as its bytes lie in the file
constexpr std::uint64_t most_words = 4096;               // bytes of what was measured

template <class Archive>
void serialize_words(Archive& archive, std::string& words) {
  for (char& each : words) archive(each);
}

}  // namespace

void write_steps(const std::filesystem::path& file, const StepRecord& record) {
  std::ofstream out(file, std::ios::binary);
  {
    cereal::PortableBinaryOutputArchive archive(out);
    std::string what = record.what.substr(0, most_words);
    archive(signature, std::uint64_t(what.size()), std::uint64_t(record.steps.size()));
    serialize_words(archive, what);
    for (const MeasuredStep& each : record.steps) archive(each);
  }
  out.flush();
  if (!out) throw Error("cannot be written", file.string());
}

StepRecord read_steps(const std::filesystem::path& file) try {
  std::ifstream in(file, std::ios::binary);
  if (!in || std::filesystem::is_directory(file)) throw Error("cannot be read", file.string());
  cereal::PortableBinaryInputArchive archive(in);
  std::uint64_t sign = 0, words = 0, steps = 0;
  archive(sign, words, steps);
  if (sign != signature || words > most_words || steps > most_recorded_steps)
    throw Error("holds no recorded steps", file.string(), "troupe bench step --record writes them");
  StepRecord record{std::string(words, ' '), {}};
  serialize_words(archive, record.what);
  for (std::uint64_t i = 0; i < steps; ++i) {
    archive(record.steps.emplace_back());
    if (!record.steps.back().plausible()) throw Error("holds a step that cannot have been", file.string());
  }
  return record;
} catch (const cereal::Exception&) {
  throw Error("ends too early", file.string(), "troupe bench step --record writes whole ones");
}

}  // namespace troupe::runtime::lab
