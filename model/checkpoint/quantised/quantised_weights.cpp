#include "model/checkpoint/quantised/quantised_weights.hpp"

#include <algorithm>
#include <set>

namespace troupe::model {
namespace {

struct Form {
  QuantisedForm form;
  std::string_view mark;  // how the name ends of a part that every weight of the form has, and no other
  void (*join)(const Quantisation&, WeightParts&);
};
constexpr Form forms[] = {{QuantisedForm::fp8, "weight_scale", join_fp8},
                          {QuantisedForm::integers, "weight_scale", join_integers},
                          {QuantisedForm::packed_integers, "weight_packed", join_integers},
                          {QuantisedForm::gptq, "qweight", join_gptq},
                          {QuantisedForm::awq, "qweight", join_awq},
                          {QuantisedForm::nvfp4, "weight_scale", join_fp4},
                          {QuantisedForm::packed_nvfp4, "weight_packed", join_fp4},
                          {QuantisedForm::packed_mxfp4, "weight_packed", join_fp4},
                          {QuantisedForm::bitsandbytes_nf4, "weight.absmax", join_bitsandbytes}};

// AutoGPTQ writes a bias beside each weight, of zeros where the model has none.
void drop_biases_of_nothing(const ModelConfig& config, const std::vector<std::string>& modules,
                            LocatedTensors& tensors) {
  std::set<std::string> expected;
  for (const ExpectedTensor& tensor : expected_tensors(config)) expected.insert(tensor.name);
  for (const std::string& module : modules) {
    const auto bias = tensors.find(module + "bias");
    if (bias == tensors.end() || expected.contains(bias->first)) continue;
    const auto is_zero = [](std::byte byte) { return byte == std::byte(0); };
    if (std::ranges::all_of(bias->second.stored.bytes, is_zero)) tensors.erase(bias);
  }
}

}  // namespace

void join_quantised_weights(const ModelConfig& config, LocatedTensors& tensors) {
  const Quantisation& quantisation = *config.quantisation;
  const Form& form = *std::ranges::find(forms, quantisation.form, &Form::form);
  const std::string mark = "." + std::string(form.mark);
  std::vector<std::string> modules;
  for (const auto& [name, tensor] : tensors)
    if (name.ends_with(mark)) modules.push_back(name.substr(0, name.size() - form.mark.size()));
  for (const std::string& module : modules) {
    WeightParts parts(tensors, module);
    form.join(quantisation, parts);
  }
  if (form.form == QuantisedForm::gptq) drop_biases_of_nothing(config, modules, tensors);
}

}  // namespace troupe::model
