#include <iostream>
#include <map>
#include <memory>

#include "config/settings.hpp"
#include "launch/command_line.hpp"
#include "launch/demo_model.hpp"
#include "launch/progress_bar.hpp"
#include "launch/pull/manifest.hpp"
#include "model/checkpoint/checkpoint.hpp"
#include "model/checkpoint/finite.hpp"
#include "model/gguf/gguf_file.hpp"
#include "model/text/text_model.hpp"
#include "runtime/base/thread_pool.hpp"

namespace troupe::launch {
namespace {

constexpr config::Page page{
    .command = "check",
    .summary = "verifies a checkpoint and describes it",
    .description =
        "Opens a checkpoint folder, a GGUF file, or the demo model, as the server does: config.json, names, shapes and "
        "types of all tensors, tokenizer, chat template, generation defaults. Then reads all weights, also "
        "those that the server does not load, in search of a NaN or an infinity. It needs no memory for the "
        "weights.",
    .examples =
        "$ troupe check /models/deepseek-v3\n"
        "$ troupe check /models/deepseek-v3 --manifest",
    .exit_status =
        "0 nothing is wrong with the checkpoint; 1 something is, and it is on standard error; 2 wrong flag, "
        "variable or setting."};

struct Summary {
  std::int64_t parameters = 0;
  std::size_t bytes = 0;
  std::map<std::string, std::int64_t> parameters_by_type;
};

// Scales of FP8 and NVFP4 are no parameters of their own.
Summary read_weights(const model::Checkpoint& checkpoint) {
  Summary summary;
  for (const std::string& name : checkpoint.names()) {
    const model::StoredTensor& tensor = checkpoint.tensor(name);
    if (!model::all_finite(tensor))
      throw Error("the tensor holds a NaN or an infinity", checkpoint.folder().string() + ": " + name,
                  "download or convert the checkpoint again");
    summary.bytes += tensor.size();
    if (name.ends_with("_scale_inv")) continue;
    summary.parameters += tensor.elements();
    summary.parameters_by_type[std::string(model::type_name(tensor.dtype))] += tensor.elements();
  }
  return summary;
}

void describe(const model::ModelConfig& config) {
  std::cout << "architecture    " << config.architecture << ", " << config.num_hidden_layers
            << " layers of width " << config.hidden_size << ", " << config.num_attention_heads << " heads\n";
  if (config.n_routed_experts > 0)
    std::cout << "experts         " << config.n_routed_experts << " routed, " << config.num_experts_per_tok
              << " a token, " << config.n_shared_experts << " shared\n";
  std::cout << "context         " << config.max_position_embeddings << " tokens\n";
}

void describe(const Summary& weights) {
  std::cout << "parameters      " << weights.parameters << " (";
  const char* separator = "";
  for (const auto& [type, count] : weights.parameters_by_type) {
    std::cout << separator << type << " " << count;
    separator = ", ";
  }
  std::cout << ")\nbytes           " << weights.bytes << ", all finite\n";
}

void describe(const model::TextModel& text) {
  std::cout << "vocabulary      " << text.tokenizer.vocab_size() << " tokens\n"
            << "chat template   " << (text.chat_template ? "yes" : "none: completions only") << "\n"
            << "ends with       ";
  for (TokenId id : text.eos_ids) std::cout << id << " ";
  std::cout << "\n";
  if (const std::string note = model::note_on(text.defaults); !note.empty())
    std::cout << "note            " << note << "\n";
}

void verify(const std::filesystem::path& checkpoint) {
  constexpr std::uint64_t million = 1'000'000;  // bytes
  std::unique_ptr<ProgressBar> bar;
  const auto progress = [&](std::uint64_t done, std::uint64_t all) {
    if (!bar) bar = std::make_unique<ProgressBar>(all / million);
    bar->show(done / million);
  };
  const pull::Verified verified = pull::verify_manifest(pull::folder_of(checkpoint), usable_cpus(), progress);
  bar.reset();
  std::cout << "manifest        " << verified.files << " files, " << verified.bytes
            << " bytes, as it has them\n";
}

}  // namespace

int check(const Arguments& arguments) {
  config::Settings settings;
  bool manifest = false;
  config::Table table = config::select(config::schema(settings), {"model"});
  table.push_back(
      {.name = "manifest",
       .target = &manifest,
       .help =
           "First compare all files of the folder with its MANIFEST.sha256, as sha256sum -c does, and say "
           "which are missing, too many, or not the same.",
       .flag_only = true});
  if (!read_command_line(page, table, arguments)) return 0;
  const auto folder = checkpoint_or_demo(settings.model);
  if (manifest) verify(folder);
  const auto checkpoint = model::Checkpoint::open(folder);
  std::cout << "checkpoint      " << folder.string() << "\n";
  for (const std::string& note : checkpoint.notes()) std::cout << "note            " << note << "\n";
  describe(checkpoint.config());
  describe(read_weights(checkpoint));
  if (model::is_gguf(folder) || exists(folder / "tokenizer.json") || exists(folder / "tiktoken.model"))
    describe(model::TextModel::load(folder));
  else
    std::cout << "tokenizer       none: troupe logits takes this checkpoint, troupe serve does not\n";
  return 0;
}

}  // namespace troupe::launch
