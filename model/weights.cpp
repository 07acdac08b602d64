#include "model/weights.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <thread>
#include <utility>

#include "kernels/number_formats.hpp"
#include "kernels/panels.hpp"
#include "model/finite.hpp"
#include "runtime/base/thread_pool.hpp"

namespace troupe::model {

using kernels::DType;
using kernels::Layout;

namespace {

constexpr unsigned max_load_threads = 8;      // enough to keep a disk busy
constexpr std::size_t job_bytes = 4ul << 20;  // few enough that a slow disk's threads tick often

template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

float to_float(DType dtype, const std::byte* at) {
  switch (dtype) {
    case DType::f32:
      return load<float>(at);
    case DType::bf16:
      return kernels::decode_bf16(load<std::uint16_t>(at));
    case DType::f16:
      return kernels::decode_f16(load<std::uint16_t>(at));
    default:
      CHECK(false, "no conversion of this type to F32");
      return 0;
  }
}

// The blocks of a dimension that a slice of it touches.
Slice blocks_of(Slice slice, std::int64_t block) {
  const std::int64_t first = slice.first / block;
  return {first, (slice.first + slice.count + block - 1) / block - first};
}

}  // namespace

std::size_t WeightReader::Job::source_bytes() const {
  return std::size_t(rows.count * cols.count) * kernels::size_of(source->dtype);
}

kernels::Weight WeightReader::matrix(const std::string& name, Slice rows, Slice cols,
                                     std::int64_t padded_rows) {
  return plan(name, rows, cols, std::max(rows.count, padded_rows), {.layout = Layout::panels});
}

kernels::Weight WeightReader::table(const std::string& name, Slice rows, Slice cols,
                                    std::int64_t padded_rows) {
  return plan(name, rows, cols, std::max(rows.count, padded_rows), {.layout = Layout::rows});
}

kernels::Weight WeightReader::transposed(const std::string& name, Slice rows, Slice cols) {
  return plan(name, rows, cols, rows.count, {.turned = true, .layout = Layout::panels});
}

kernels::Tensor WeightReader::vector(const std::string& name) {
  const std::int64_t length = checkpoint_.tensor(name).shape.at(0);
  void* data = plan_copy(name, {0, 1}, {0, length}, 1, {.widen = true});
  return kernels::Tensor(data, DType::f32, {length});
}

kernels::Weight WeightReader::plan(const std::string& name, Slice rows, Slice cols, std::int64_t padded_rows,
                                   const Placing& placing) {
  kernels::Weight weight;
  weight.dtype = checkpoint_.tensor(name).dtype;
  weight.layout = placing.layout;
  weight.rows = padded_rows;
  weight.cols = cols.count;
  weight.data = plan_copy(name, rows, cols, padded_rows, placing);
  if (weight.dtype == DType::f8_e4m3) {
    CHECK(checkpoint_.config().fp8.has_value(), "FP8 weights without their block size");
    const Fp8Blocks blocks = *checkpoint_.config().fp8;
    const Slice scale_rows = blocks_of(rows, blocks.rows), scale_cols = blocks_of(cols, blocks.cols);
    const std::int64_t padded = blocks_of({rows.first, padded_rows}, blocks.rows).count;
    weight.scales = static_cast<const float*>(plan_copy(name + "_scale_inv", scale_rows, scale_cols, padded,
                                                        {.turned = placing.turned, .widen = true}));
    // The scales begin with the first block that the part touches, and so do the coordinates.
    weight.row0 = rows.first % blocks.rows;
    weight.col0 = cols.first % blocks.cols;
    weight.block_rows = blocks.rows;
    weight.block_cols = blocks.cols;
    weight.scale_stride = placing.turned ? padded : scale_cols.count;
  }
  if (placing.turned) {
    std::swap(weight.rows, weight.cols);
    std::swap(weight.row0, weight.col0);
    std::swap(weight.block_rows, weight.block_cols);
  }
  return weight;
}

void* WeightReader::plan_copy(const std::string& name, Slice rows, Slice cols, std::int64_t padded_rows,
                              const Placing& placing) {
  const StoredTensor& source = checkpoint_.tensor(name);
  const std::int64_t width = source.shape.back(),
                     height = source.shape.size() == 1 ? 1 : source.shape.front();
  CHECK(rows.first >= 0 && rows.count >= 0 && rows.first + rows.count <= height, "rows outside the tensor");
  CHECK(cols.first >= 0 && cols.count >= 0 && cols.first + cols.count <= width, "columns outside the tensor");
  const std::int64_t target_rows = placing.turned ? cols.count : padded_rows,
                     target_cols = placing.turned ? padded_rows : cols.count;
  const std::int64_t elements = placing.layout == Layout::panels
                                    ? kernels::Panels{source.dtype, target_cols}.size(target_rows)
                                    : target_rows * target_cols;
  const std::size_t element = placing.widen ? sizeof(float) : kernels::size_of(source.dtype);
  void* target = storage_->allocate(std::size_t(elements) * element);
  if (observers_.ticks) observers_.ticks->piece_done();  // large memory takes its time
  const std::size_t row_bytes = std::size_t(cols.count) * kernels::size_of(source.dtype);
  const auto rows_at_once =
      std::int64_t(std::max<std::size_t>(1, job_bytes / std::max<std::size_t>(1, row_bytes)));
  for (std::int64_t done = 0; done < rows.count; done += rows_at_once)
    jobs_.push_back({.name = name,
                     .source = &source,
                     .rows = {rows.first + done, std::min(rows_at_once, rows.count - done)},
                     .cols = cols,
                     .placing = placing,
                     .target = static_cast<std::byte*>(target),
                     .row = done,
                     .all_rows = padded_rows});
  return target;
}

// Elements of one row of the source go to target as the job says.
void WeightReader::place(const Job& job, const std::byte* source, std::int64_t row) {
  const DType dtype = job.source->dtype;
  const std::size_t size = kernels::size_of(dtype);
  const std::int64_t count = job.cols.count;
  const auto [turned, widen, layout] = job.placing;
  if (widen) {
    float* const target = reinterpret_cast<float*>(job.target);
    for (std::int64_t c = 0; c < count; ++c)
      target[turned ? c * job.all_rows + row : row * count + c] =
          to_float(dtype, source + std::size_t(c) * size);
  } else if (layout == Layout::rows) {
    std::memcpy(job.target + std::size_t(row * count) * size, source, std::size_t(count) * size);
  } else if (turned) {
    kernels::pack_column({dtype, job.all_rows}, count, row, source, job.target);
  } else {
    kernels::pack_row({dtype, count}, row, source, job.target);
  }
}

void WeightReader::copy(const Job& job) const {
  const DType dtype = job.source->dtype;
  const std::size_t size = kernels::size_of(dtype);
  const std::int64_t width = job.source->shape.back();
  for (std::int64_t r = 0; r < job.rows.count; ++r) {
    const std::byte* source =
        job.source->bytes.data() + std::size_t((job.rows.first + r) * width + job.cols.first) * size;
    if (!all_finite(dtype, {source, std::size_t(job.cols.count) * size}))
      throw Error(
          "the tensor holds a NaN or an infinity",
          checkpoint_.folder().string() + ": " + job.name + ", row " + std::to_string(job.rows.first + r),
          "download or convert the checkpoint again");
    place(job, source, job.row + r);
  }
}

void WeightReader::run() {
  const auto [progress, ticks] = observers_;
  if (progress) {
    std::size_t total = 0;
    for (const Job& job : jobs_) total += job.source_bytes();
    progress->total = total;
    progress->done = 0;
  }
  ThreadPool pool(int(std::clamp(std::thread::hardware_concurrency(), 1u, max_load_threads)), ticks);
  pool.parallel_for(std::int64_t(jobs_.size()), 1, [&](std::int64_t begin, std::int64_t end) {
    for (const Job& job : std::span(jobs_).subspan(std::size_t(begin), std::size_t(end - begin))) {
      if (progress && progress->stop) throw Error("reading was stopped", checkpoint_.folder().string());
      copy(job);
      if (progress) progress->done += job.source_bytes();
      if (ticks) ticks->loaded_bytes += job.source_bytes();
    }
  });
  jobs_.clear();
}

}  // namespace troupe::model
