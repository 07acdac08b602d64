#include "launch/pull/manifest.hpp"

#include <algorithm>
#include <mutex>
#include <set>
#include <sstream>
#include <vector>

#include "launch/pull/file_hash.hpp"
#include "launch/pull/file_name.hpp"
#include "runtime/base/error.hpp"
#include "runtime/base/file.hpp"
#include "runtime/base/thread_pool.hpp"

namespace troupe::launch::pull {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t hash_digits = 64;

// "HASH  NAME", or "HASH *NAME" of files that were read as binary ones.
void take_line(const std::string& line, Manifest& manifest, const std::string& where) {
  std::string hash = line.substr(0, hash_digits);
  std::ranges::transform(hash, hash.begin(),
                         [](char c) { return c >= 'A' && c <= 'F' ? char(c - 'A' + 'a') : c; });
  const std::string mark = line.substr(hash.size(), 2);
  if (hash.size() < hash_digits || hash.find_first_not_of("0123456789abcdef") != hash.npos ||
      (mark != "  " && mark != " *"))
    throw Error("is no SHA-256 and name of a file", where, "write it as sha256sum does");
  std::string name = line.substr(hash_digits + mark.size());
  if (name.starts_with("./")) name.erase(0, 2);
  if (const std::string_view fault = fault_of_name(name); !fault.empty())
    throw Error("its name " + std::string(fault), where);
  if (!manifest.sha256.emplace(name, hash).second) throw Error("is there twice: " + name, where);
}

// Names of what is no folder. What a pull works with, the manifest, and folders that may not be looked into do not count.
std::set<std::string> files_below(const fs::path& folder) {
  std::set<std::string> names;
  std::error_code failure;
  fs::recursive_directory_iterator each(folder, fs::directory_options::skip_permission_denied, failure);
  for (; !failure && each != fs::recursive_directory_iterator(); each.increment(failure)) {
    const std::string name = each->path().lexically_relative(folder).generic_string();
    if (name == state_folder) {
      each.disable_recursion_pending();
      continue;
    }
    const bool is_folder = !each->is_symlink() && each->is_directory();  // which would follow links
    if (!is_folder && name != manifest_name) names.insert(name);
  }
  if (failure) throw Error("cannot be looked through: " + failure.message(), folder.string());
  return names;
}

class Verification {
 public:
  Verification(const fs::path& folder, const std::function<void(std::uint64_t, std::uint64_t)>& progress)
      : folder_(folder), progress_(progress), manifest_(read_manifest(folder)) {
    std::set<std::string> there = files_below(folder);
    for (const auto& [name, hash] : manifest_.sha256) {
      std::error_code failure;
      const std::uint64_t size = fs::file_size(folder / name, failure);
      if (there.erase(name) == 0)
        faults_.insert(name + ": is missing");
      else
        names_.push_back(name), all_ += failure ? 0 : size;
    }
    for (const std::string& name : there) faults_.insert(name + ": is not in the manifest");
  }

  Verified run(int threads) {
    ThreadPool pool(std::clamp(threads, 1, std::max(1, int(names_.size()))));
    pool.parallel_for(std::int64_t(names_.size()), 1,
                      [&](std::int64_t begin, std::int64_t) { compare(names_[std::size_t(begin)]); });
    if (!faults_.empty()) fail();
    return {names_.size(), done_};
  }

 private:
  void compare(const std::string& name) {
    std::string fault;
    try {
      const FileHashes found = hash_file(folder_ / name, false, [&](std::uint64_t bytes) { read(bytes); });
      const std::string& expected = manifest_.sha256.at(name);
      if (found.sha256 != expected)
        fault = name + ": SHA-256 is " + found.sha256 + ", and should be " + expected;
    } catch (const Error& error) {
      fault = error.what();
    }
    if (fault.empty()) return;
    const std::lock_guard lock(mutex_);
    faults_.insert(fault);
  }

  void read(std::uint64_t bytes) {
    const std::lock_guard lock(mutex_);
    done_ += bytes;
    progress_(done_, all_);
  }

  [[noreturn]] void fail() const {
    std::ostringstream text;
    text << (faults_.size() == 1 ? "1 file is" : std::to_string(faults_.size()) + " files are") << " not as "
         << manifest_name << " has it; delete what is wrong, and troupe pull brings it again:";
    std::size_t told = 0;
    for (const std::string& fault : faults_)
      if (told++ < most_told_faults) text << "\n  " << fault;
    if (faults_.size() > most_told_faults) text << "\n  and " << faults_.size() - most_told_faults << " more";
    throw Error(text.str(), folder_.string());
  }

  const fs::path folder_;
  const std::function<void(std::uint64_t, std::uint64_t)>& progress_;
  const Manifest manifest_;
  std::vector<std::string> names_;  // those that are there
  std::mutex mutex_;                // guards the rest while it runs
  std::set<std::string> faults_;    // begin with names
  std::uint64_t done_ = 0, all_ = 0;
};

}  // namespace

std::string text_of(const Manifest& manifest) {
  std::string text = manifest.origin.empty() ? "" : "# " + manifest.origin + "\n";
  for (const auto& [name, hash] : manifest.sha256) text.append(hash).append("  ").append(name).append("\n");
  return text;
}

Manifest parse_manifest(const std::string& text, const std::string& where) {
  Manifest manifest;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.starts_with('#')) {
      if (number == 1 && line.starts_with("# ")) manifest.origin = line.substr(2);
    } else if (!line.empty()) {
      take_line(line, manifest, where + ":" + std::to_string(number));
    }
  }
  if (manifest.sha256.empty()) throw Error("names no file", where);
  return manifest;
}

Manifest read_manifest(const fs::path& folder) {
  const fs::path file = folder / manifest_name;
  if (!fs::exists(file))
    throw Error(
        "is not there, so nobody knows what the files should be", file.string(),
        "troupe pull writes it; for files that you trust: sha256sum FILE... > " + std::string(manifest_name));
  return parse_manifest(read_file(file, max_manifest_bytes), file.string());
}

Verified verify_manifest(const fs::path& folder, int threads,
                         const std::function<void(std::uint64_t done, std::uint64_t all)>& progress) {
  return Verification(folder, progress).run(threads);
}

fs::path folder_of(const fs::path& checkpoint) {
  if (fs::is_directory(checkpoint)) return checkpoint;
  const fs::path folder = checkpoint.parent_path();
  return folder.empty() ? fs::path(".") : folder;
}

}  // namespace troupe::launch::pull
