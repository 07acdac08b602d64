#include "launch/pull/listing.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "launch/pull/file_name.hpp"
#include "launch/server_answer.hpp"
#include "runtime/base/error.hpp"

namespace troupe::launch::pull {
namespace {

constexpr std::size_t digits_of_sha1 = 40, digits_of_sha256 = 64;

bool is_hash(const std::string& text, std::size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::string hash_in(const nlohmann::json& object, const char* name, std::size_t digits) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return "";
  const auto text = found->get<std::string>();
  return is_hash(text, digits) ? text : "";
}

RemoteFile parse_file(const nlohmann::json& sibling, const std::string& where) {
  RemoteFile file;
  file.name = sibling.at("rfilename").get<std::string>();
  if (const std::string_view fault = fault_of_name(file.name); !fault.empty())
    throw Error("the name of a file, '" + one_line(file.name) + "', " + std::string(fault), where,
                "nothing was written");
  const auto lfs = sibling.find("lfs");
  const bool large = lfs != sibling.end() && lfs->is_object();
  const auto& size = large ? lfs->at("size") : sibling.at("size");
  if (!size.is_number_unsigned() || size.get<std::uint64_t>() > largest_file)
    throw Error("the size is none", where + ": " + file.name);
  file.size = size.get<std::uint64_t>();
  if (large)
    file.sha256 = hash_in(*lfs, "sha256", digits_of_sha256);
  else
    file.git_blob = hash_in(sibling, "blobId", digits_of_sha1);
  if (file.hash().empty())
    throw Error("the server tells no hash, so that its bytes could not be verified",
                where + ": " + file.name);
  return file;
}

}  // namespace

bool is_commit(const std::string& revision) {
  return is_hash(revision, digits_of_sha1);
}

Listing parse_listing(const std::string& text, const std::string& where) {
  const auto json = nlohmann::json::parse(text, nullptr, false);
  Listing listing;
  try {
    listing.commit = json.at("sha").get<std::string>();
    if (!is_commit(listing.commit)) throw Error("names no commit", where);
    const auto& siblings = json.at("siblings");
    if (!siblings.is_array() || siblings.size() > most_files)
      throw Error("lists no files, or more than " + std::to_string(most_files), where);
    for (const auto& sibling : siblings) listing.files.push_back(parse_file(sibling, where));
  } catch (const nlohmann::json::exception&) {
    throw Error("does not answer as Hugging Face's API does", where, "is it the endpoint?");
  }
  std::ranges::sort(listing.files, {}, &RemoteFile::name);
  const auto twice = std::ranges::adjacent_find(listing.files, {}, &RemoteFile::name);
  if (twice != listing.files.end()) throw Error("lists a file twice: " + twice->name, where);
  return listing;
}

}  // namespace troupe::launch::pull
