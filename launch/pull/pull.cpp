#include "launch/pull/pull.hpp"

#include <algorithm>
#include <optional>
#include <system_error>
#include <thread>

#include "config/setting.hpp"
#include "launch/pull/file_name.hpp"
#include "launch/pull/hitch.hpp"
#include "launch/pull/manifest.hpp"
#include "launch/pull/partial_files.hpp"
#include "launch/server_url.hpp"
#include "launch/whole_file.hpp"
#include "runtime/base/durable_file.hpp"

namespace troupe::launch::pull {
namespace {

namespace fs = std::filesystem;

constexpr mode_t manifest_mode = 0644;

std::string origin_of(const PullOptions& options, const std::string& commit) {
  return "troupe pull " + options.model.repository + "@" + commit + options.selection.text();
}

// A folder's manifest is written when its files are all there: what it says of where they came from is what they are.
std::optional<Pulled> pulled_before(const PullOptions& options, const std::string& commit) {
  if (!fs::exists(options.folder / manifest_name)) return std::nullopt;
  try {
    const Manifest manifest = read_manifest(options.folder);
    const bool whole = std::ranges::all_of(
        manifest.sha256, [&](const auto& each) { return fs::is_regular_file(options.folder / each.first); });
    if (!whole || manifest.origin != origin_of(options, commit)) return std::nullopt;
    return Pulled{commit, manifest.sha256.size(), true};
  } catch (const Error&) {
    return std::nullopt;  // written by somebody else
  }
}

std::string ask_patiently(const Hub& hub, const std::string& target, const DownloadOptions& options) {
  HttpClient client(system_trust(), options.silence);
  Patience patience(options.retries);
  for (;;) {
    try {
      return hub.page(client, target);
    } catch (const Hitch& hitch) {
      const Duration delay = patience.after(hitch);
      options.tell(hitch.what());
      std::this_thread::sleep_for(delay);
    }
  }
}

Listing list_files(const Hub& hub, const PullOptions& options) {
  const auto& [repository, revision] = options.model;
  std::string encoded = percent_encoded(revision);
  for (std::size_t slash; (slash = encoded.find('/')) != encoded.npos;) encoded.replace(slash, 1, "%2F");
  const std::string target = "/api/models/" + repository + "/revision/" + encoded + "?blobs=true";
  const Listing listing =
      parse_listing(ask_patiently(hub, target, options.download), options.hub.endpoint.authority() + target);
  if (is_commit(revision) && listing.commit != revision)
    throw Error("tells of commit " + listing.commit + ", and not of the one that was asked for",
                options.hub.endpoint.authority() + target);
  return listing;
}

void make_folder(const fs::path& folder) {
  std::error_code failure;
  fs::create_directories(folder, failure);
  if (failure) throw Error("cannot be made: " + failure.message(), folder.string(), "give another --to");
}

void take_manifest_away(const fs::path& folder) {
  std::error_code failure;
  if (fs::remove(folder / manifest_name, failure)) sync_folder(folder);
  if (failure) throw Error("cannot be removed: " + failure.message(), (folder / manifest_name).string());
}

Pulled fill(const Hub& hub, const PullOptions& options, PartialFiles& partial, const Listing& listing) {
  const std::string& repository = options.model.repository;
  const auto files = select(listing, options.selection, repository + "@" + listing.commit);
  take_manifest_away(options.folder);
  Download download(hub, partial, options.folder, options.download, [&](const std::string& name) {
    return "/" + repository + "/resolve/" + listing.commit + "/" + percent_encoded(name);
  });
  const auto hashes = download.run(files);
  Manifest manifest{.origin = origin_of(options, listing.commit), .sha256 = {}};
  for (std::size_t i = 0; i < files.size(); ++i) manifest.sha256[files[i].name] = hashes[i];
  write_whole_file(options.folder / manifest_name, text_of(manifest), manifest_mode);
  sync_folder(options.folder);
  return {listing.commit, files.size(), false};
}

}  // namespace

Model parse_model(const std::string& text, std::string_view flag) {
  const auto at = std::min(text.find('@'), text.size());
  Model model{.repository = text.substr(0, at)};
  if (at < text.size()) model.revision = text.substr(at + 1);
  const auto is_of_name = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_' || c == '.' || c == '/';
  };
  if (!std::ranges::all_of(model.repository, is_of_name) || std::ranges::count(model.repository, '/') > 1 ||
      !fault_of_name(model.repository).empty())
    throw config::UsageError("'" + text + "' is no name of a model", flag,
                             "write it as deepseek-ai/DeepSeek-V3, or deepseek-ai/DeepSeek-V3@REVISION");
  if (!std::ranges::all_of(model.revision, is_visible) || !fault_of_name(model.revision).empty())
    throw config::UsageError("'" + model.revision + "' is no revision", flag,
                             "name a branch, a tag or a commit");
  return model;
}

Pulled pull(const PullOptions& options) {
  options.selection.check();
  const std::string& revision = options.model.revision;
  if (is_commit(revision))
    if (const auto before = pulled_before(options, revision)) return *before;
  const Hub hub(options.hub);
  const Listing listing = list_files(hub, options);
  if (const auto before = pulled_before(options, listing.commit)) return *before;
  make_folder(options.folder);
  PartialFiles partial(options.folder, [&] {
    options.download.tell("another process fills " + options.folder.string() + ": waiting");
  });
  auto pulled = pulled_before(options, listing.commit);  // by whom was waited for
  if (!pulled) pulled = fill(hub, options, partial, listing);
  partial.remove();
  return *pulled;
}

}  // namespace troupe::launch::pull
