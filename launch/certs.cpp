#include <filesystem>
#include <iostream>

#include "actors/link/certificate_authority.hpp"
#include "launch/command_line.hpp"
#include "launch/whole_file.hpp"
#include "runtime/base/file.hpp"

namespace troupe::launch {
namespace {

using std::filesystem::path;

constexpr std::size_t max_pem_bytes = 1 << 16;
constexpr int authority_lifetimes = 10;  // of a host: they can be renewed without a new authority
constexpr std::string_view authority_name = "ca";

constexpr config::Page page{
    .command = "certs",
    .summary = "makes certificates for the hosts of a replica",
    .description =
        "Processes of a replica talk over TLS and admit whoever shows a certificate of the same authority. "
        "Writes HOST.pem and HOST.key for each HOST, good for both roles, and ca.pem and ca.key, the "
        "authority. If the folder has ca.pem and ca.key, these sign, so that hosts can be added later.\n\n"
        "A host needs ca.pem and its own two files. ca.key stays here: whoever has it can join the replica. "
        "Keys can be read by their owner only.",
    .examples =
        "$ troupe certs --out certs node-a node-b\n"
        "$ troupe certs --out certs 10.0.0.7 fd00::7 --days 30"};

struct Options {
  std::string out;
  std::vector<std::string> hosts;
  std::int32_t days = 365;
  bool force = false;
};

config::Table options_table(Options& o) {
  config::Table table{
      {.name = "host",
       .target = &o.hosts,
       .argument = "HOST",
       .help = "DNS name or IP address, as other hosts call it. May be given several times.",
       .positional = true,
       .required = true},
      {.name = "out",
       .target = &o.out,
       .argument = "FOLDER",
       .help = "Where files are read and written; is made if it is not there.",
       .required = true},
      {.name = "days",
       .target = &o.days,
       .argument = "N",
       .help = "For which certificates of hosts are valid. A new authority is valid ten times as long.",
       .range = {1, 3650}},
      {.name = "force", .target = &o.force, .help = "Replace files of hosts that are there already."},
  };
  for (config::Setting& each : table) each.flag_only = true;
  return table;
}

path certificate_file(const path& folder, std::string_view name) {
  return folder / (std::string(name) + ".pem");
}
path key_file(const path& folder, std::string_view name) {
  return folder / (std::string(name) + ".key");
}

void check_hosts(const Options& options) {
  for (const std::string& host : options.hosts) {
    if (!actors::is_host(host))
      throw config::UsageError("'" + host + "' is neither a host's name nor an IP address", "HOST");
    if (host == authority_name)
      throw config::UsageError("'" + host + "' is the name of the authority's files", "HOST",
                               "write the host's full name or its address");
    for (const path& file : {certificate_file(options.out, host), key_file(options.out, host)})
      if (exists(file) && !options.force)
        throw Error("is there already", file.string(), "--force replaces it");
  }
}

void write_credentials(const path& folder, std::string_view name, const actors::Credentials& credentials) {
  write_whole_file(key_file(folder, name), credentials.key, 0600);
  write_whole_file(certificate_file(folder, name), credentials.certificate, 0644);
  std::cout << certificate_file(folder, name).string() << "\n" << key_file(folder, name).string() << "\n";
}

actors::CertificateAuthority authority(const path& folder, std::chrono::days validity) {
  const path certificate = certificate_file(folder, authority_name), key = key_file(folder, authority_name);
  if (exists(certificate) != exists(key))
    throw Error("is missing", (exists(key) ? certificate : key).string(),
                "bring it back, or choose another --out for a new authority");
  if (exists(key))
    return actors::CertificateAuthority::load(
        {read_file(certificate, max_pem_bytes), read_file(key, max_pem_bytes)},
        certificate.string() + ", " + key.string());
  auto made = actors::CertificateAuthority::make("troupe", validity * authority_lifetimes);
  write_credentials(folder, authority_name, made.credentials());
  return made;
}

}  // namespace

int certs(const Arguments& arguments) {
  Options options;
  config::Table table = options_table(options);
  if (!read_command_line(page, table, arguments)) return 0;
  check_hosts(options);
  std::error_code failure;
  std::filesystem::create_directories(options.out, failure);
  if (failure) throw Error("cannot be made: " + failure.message(), options.out, "choose another --out");
  const std::chrono::days validity(options.days);
  const actors::CertificateAuthority signer = authority(options.out, validity);
  for (const std::string& host : options.hosts)
    write_credentials(options.out, host, signer.issue(host, validity));
  return 0;
}

}  // namespace troupe::launch
