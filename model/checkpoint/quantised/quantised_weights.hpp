// Weights that the files of a folder hold in several tensors, by the forms of model/quantisation.hpp. Each becomes the one
// that graphs know, NAME.weight, in a type that kernels multiply by: codes and scales are the files' own, read where they
// are mapped whenever a row is made, so that nothing is lost and nothing is kept twice.
#pragma once

#include "model/checkpoint/expected_tensors.hpp"
#include "model/checkpoint/quantised/weight_parts.hpp"
#include "model/quantisation.hpp"

namespace troupe::model {

// Of a checkpoint whose config has such a form. Throws Error that names a tensor that is missing, or that has a type or a
// shape which is none of the form's.
void join_quantised_weights(const ModelConfig& config, LocatedTensors& tensors);

// One weight of each form, in a file of its name.
void join_awq(const Quantisation&, WeightParts&);
void join_bitsandbytes(const Quantisation&, WeightParts&);
void join_fp4(const Quantisation&, WeightParts&);
void join_fp8(const Quantisation&, WeightParts&);
void join_gptq(const Quantisation&, WeightParts&);
void join_integers(const Quantisation&, WeightParts&);

}  // namespace troupe::model
