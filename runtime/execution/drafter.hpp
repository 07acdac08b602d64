// Makes drafts for the sequences of a step that has sampled: by the model's prediction layer, or by what followed the same
// words before. All ranks of a group make the same. Used by the rank's compute thread.
#pragma once

#include "model/decoder.hpp"
#include "runtime/base/speculation.hpp"
#include "runtime/execution/sequence_table.hpp"

namespace troupe::runtime {

class Drafter {
 public:
  // All outlive it. CHECKs that the decoder has the layer that the method needs.
  Drafter(kernels::Ops& ops, model::Decoder& decoder, const transport::Communicators& communicators,
          Speculation speculation);

  // After the table has advanced: fills each sampling part's entry->drafts. layout: of the step's rows, as they were
  // computed. Other groups' ranks call it in the same step, with or without parts.
  void draft(kernels::Queue& queue, const StepPlan& plan, std::span<const SequenceTable::Part> parts,
             const kernels::StepLayout& layout, model::KvCache& cache);

 private:
  void predict(kernels::Queue& queue, const StepPlan& plan, std::span<const SequenceTable::Part> parts,
               const kernels::StepLayout& layout, model::KvCache& cache);
  void predict_further(kernels::Queue& queue, const StepPlan& plan,
                       std::span<const SequenceTable::Part> parts, std::vector<std::int32_t> rows,
                       model::KvCache& cache);
  // The most likely token of each row goes behind the drafts of the sampling parts.
  void append(kernels::Queue& queue, const kernels::Tensor& logits,
              std::span<const SequenceTable::Part> parts);

  kernels::Ops& ops_;
  model::Decoder& decoder_;
  transport::Communicators communicators_;
  Speculation speculation_;
};

}  // namespace troupe::runtime
