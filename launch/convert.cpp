#include <algorithm>
#include <cstdio>
#include <iostream>
#include <memory>

#include "config/settings.hpp"
#include "launch/command_line.hpp"
#include "launch/progress_bar.hpp"
#include "model/gguf/convert.hpp"

namespace troupe::launch {
namespace {

constexpr config::Page page{
    .command = "convert",
    .summary = "writes a checkpoint in another form",
    .description =
        "Writes a checkpoint, a folder with safetensors or a GGUF file, as the other of them or in other types. "
        "A line a tensor tells its new type, its bytes, and how far its weights are from what they were: the "
        "root of the mean square, relative to the weights' own, and the largest difference.\n\n"
        "f32, f16 and bf16 are types of both. GGUF files have q8_0 to iq4_nl besides; rows that are no whole blocks of the "
        "type get one of the same size or more.\n\n"
        "Folders have int4 to mxfp4 besides, in the forms of compressed-tensors. int4 and int8_g128 have "
        "a scale for 128 columns, int4_g32 for 32; int8 and fp8 (E4M3) one for a row; nvfp4 an E4M3 scale for 16 columns "
        "and a global one; mxfp4 a power of two for 32. The linear weights of layers are rounded to nearest. Embedding, "
        "head, routers and vectors stay as they are, as do rows that are no whole groups; quantization_config lists "
        "those of them that are modules under ignore. What needs texts to calibrate by, gptq and awq, is not written.",
    .examples =
        "$ troupe convert /models/qwen2.5-7b qwen2.5-7b.gguf --type q4_k\n"
        "$ troupe convert /models/qwen2.5-7b /models/qwen2.5-7b-int4 --type int4\n"
        "$ troupe convert model.gguf /models/model --type bf16",
    .exit_status =
        "0 it is written; 1 the checkpoint or the disk is at fault; 2 wrong flag, variable or setting."};

struct Options {
  std::string from, out, type;
};

std::vector<std::string> types() {
  std::vector<std::string> names{"f32",  "f16",  "bf16", "q8_0", "q4_0", "q4_1", "q5_0",
                                 "q5_1", "q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "iq4_nl"};
  for (const model::RoundedForm& form : model::rounded_forms()) names.emplace_back(form.name);
  return names;
}

config::Table options_table(Options& o) {
  constexpr std::string_view calibrated =
      "is chosen by what passes through a model for given texts, which convert does not have; int4 rounds to "
      "nearest, and checkpoints that other programs have calibrated are served";
  config::Table table{
      {.name = "from",
       .target = &o.from,
       .argument = "CHECKPOINT",
       .help = "A folder, or a file whose name ends in .gguf.",
       .positional = true,
       .required = true},
      {.name = "out",
       .target = &o.out,
       .argument = "OUT",
       .help = "A file whose name ends in .gguf, or a folder, which is made or must be empty.",
       .positional = true,
       .required = true},
      {.name = "type",
       .target = &o.type,
       .argument = "TYPE",
       .help =
           "Of all weights but a router's; vectors are F32 beside a quantised type of GGUF. Of linear weights "
           "alone from int4 on.",
       .unset = "as they are",
       .choices = types(),
       .refused = {{"gptq", calibrated}, {"awq", calibrated}}},
  };
  for (config::Setting& each : table) each.flag_only = true;
  return table;
}

std::string upper(std::string text) {
  for (char& c : text) c = char(std::toupper(static_cast<unsigned char>(c)));
  return text;
}

void print(const model::ConvertedTensor& tensor) {
  std::printf("%-60s %-9s %12zu bytes  relative error %.6f  largest %.6g\n", tensor.name.c_str(),
              tensor.type.c_str(), tensor.bytes, tensor.relative_error, tensor.largest_error);
}

}  // namespace

int convert(const Arguments& arguments) {
  config::Settings settings;
  Options o;
  config::Table table = options_table(o);
  config::append(table, config::select(config::schema(settings), {"threads"}), "");
  if (!read_command_line(page, table, arguments)) return 0;
  const auto checkpoint = model::Checkpoint::open(o.from);
  const auto tell = [](const std::string& note) { std::cerr << "note: " << note << "\n"; };
  std::ranges::for_each(checkpoint.notes(), tell);
  std::unique_ptr<ProgressBar> bar;
  constexpr std::size_t million = 1'000'000;  // weights
  model::ConvertOptions options;
  options.threads = settings.compute_threads();
  options.report = print;
  options.note = tell;
  options.form = model::rounded_form(o.type);
  if (!o.type.empty() && !options.form) options.type = model::type_named(upper(o.type));
  options.progress = [&](std::size_t done, std::size_t all) {
    if (!bar) bar = std::make_unique<ProgressBar>(all / million);
    bar->show(done / million);
  };
  model::convert(checkpoint, o.out, options);
  return 0;
}

}  // namespace troupe::launch
