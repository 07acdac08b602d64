#include "model/checkpoint/weights.hpp"

#include <algorithm>
#include <cstring>
#include <span>
#include <thread>
#include <utility>

#include "kernels/panels.hpp"
#include "kernels/weights.hpp"
#include "model/checkpoint/finite.hpp"
#include "runtime/base/thread_pool.hpp"

namespace troupe::model {

using kernels::DType;
using kernels::Layout;

namespace {

constexpr unsigned max_load_threads = 8;      // enough to keep a disk busy
constexpr std::size_t job_bytes = 4ul << 20;  // few enough that a slow disk's threads tick often

// The blocks of a dimension that a slice of it touches.
Slice blocks_of(Slice slice, std::int64_t block) {
  const std::int64_t first = slice.first / block;
  return {first, (slice.first + slice.count + block - 1) / block - first};
}

// Of the first block that a slice of columns touches, those before the slice.
std::int64_t columns_before(DType dtype, Slice cols) {
  return cols.first % kernels::storage_unit(dtype).columns;
}

}  // namespace

std::size_t WeightReader::Job::source_row_bytes() const {
  return kernels::row_bytes(source->dtype, columns_before(source->dtype, cols) + cols.count);
}

std::size_t WeightReader::Job::source_bytes() const {
  return std::size_t(rows.count) * source_row_bytes();
}

kernels::Weight WeightReader::matrix(const std::string& name, Slice rows, Slice cols,
                                     std::int64_t padded_rows) {
  return plan({{name, rows, cols, padded_rows}}, {.layout = Layout::panels}).front();
}

kernels::Weight WeightReader::table(const std::string& name, Slice rows, Slice cols,
                                    std::int64_t padded_rows) {
  return plan({{name, rows, cols, padded_rows}}, {.layout = Layout::rows}).front();
}

std::vector<kernels::Weight> WeightReader::stack(const std::vector<MatrixPart>& parts) {
  return plan(parts, {.layout = Layout::panels});
}

std::vector<kernels::Weight> WeightReader::turned_stack(const std::vector<MatrixPart>& parts) {
  return plan(parts, {.turned = true, .layout = Layout::panels});
}

kernels::Tensor WeightReader::vector(const std::string& name) {
  return vector(name, {0, checkpoint_.tensor(name).shape.at(0)});
}

kernels::Tensor WeightReader::vector(const std::string& name, Slice part) {
  const Copy copy{{name, {0, 1}, part, 1}, {.widen = true}};
  return kernels::Tensor(plan_copies({copy}).front(), DType::f32, {part.count});
}

std::vector<kernels::Weight> WeightReader::plan(std::vector<MatrixPart> parts, const Placing& placing) {
  std::vector<kernels::Weight> weights;
  std::vector<Copy> copies, scales;
  for (MatrixPart& part : parts) {
    part.padded_rows = std::max(part.rows.count, part.padded_rows);
    copies.push_back({std::move(part), placing});
    weights.push_back(shape_of(copies.back()));
    if (kernels::is_scaled(weights.back().dtype)) scales.push_back(scales_of(copies.back()));
  }
  const std::vector<void*> data_at = plan_copies(copies), scales_at = plan_copies(scales);
  auto next_scales = scales_at.begin();
  for (std::size_t i = 0; i < weights.size(); ++i) {
    weights[i].data = data_at[i];
    if (kernels::is_scaled(weights[i].dtype)) weights[i].scales = static_cast<const float*>(*next_scales++);
    if (placing.turned) continue;
    const std::string& name = copies[i].part.name;
    weights[i].order = i > 0 && copies[i - 1].part.name == name ? weights[i - 1].order : place_order(name);
  }
  return weights;
}

// All but where it is.
kernels::Weight WeightReader::shape_of(const Copy& copy) const {
  const auto& [name, rows, cols, padded_rows] = copy.part;
  kernels::Weight weight;
  weight.dtype = type_of(copy);
  weight.layout = copy.placing.layout;
  weight.rows = padded_rows;
  weight.cols = cols.count;
  const StoredTensor& source = checkpoint_.tensor(name);
  if (kernels::is_scaled(weight.dtype)) {
    CHECK(source.scale_blocks.has_value(), "scaled weights without their block size");
    const Fp8Blocks blocks = *source.scale_blocks;
    const MatrixPart scales = scales_of(copy).part;
    // The scales begin with the first block that the part touches, and so do the coordinates.
    weight.row0 = rows.first % blocks.rows;
    weight.col0 = cols.first % blocks.cols;
    weight.block_rows = blocks.rows;
    weight.block_cols = blocks.cols;
    weight.scale_stride = copy.placing.turned ? scales.padded_rows : scales.cols.count;
  }
  check_order(copy);
  if (kernels::in_blocks(weight.dtype)) weight.col0 = columns_before(weight.dtype, cols);
  if (copy.placing.turned) {
    std::swap(weight.rows, weight.cols);
    std::swap(weight.row0, weight.col0);
    std::swap(weight.block_rows, weight.block_cols);
  }
  return weight;
}

// Columns that are stored in another order are of no use in part, and cannot be looked up.
void WeightReader::check_order(const Copy& copy) const {
  const auto& [name, rows, cols, padded_rows] = copy.part;
  const StoredTensor& source = checkpoint_.tensor(name);
  if (source.order().empty()) return;
  const std::string where = checkpoint_.folder().string() + ": " + name;
  if (cols.count != source.shape.back())
    throw Error("has its columns in groups by g_idx (desc_act), so that a rank cannot have columns " +
                    std::to_string(cols.first) + " to " + std::to_string(cols.first + cols.count - 1) +
                    " of " + std::to_string(source.shape.back()) + " alone",
                where, "serve it with one rank a group (-tp 1), experts whole (-ep)");
  if (copy.placing.layout == Layout::rows || name == "model.embed_tokens.weight")
    throw Error("is looked up by rows, which g_idx (desc_act) is not supported for", where);
}

const std::int32_t* WeightReader::place_order(const std::string& name) {
  const auto order = std::as_bytes(checkpoint_.tensor(name).order());
  if (order.empty()) return nullptr;
  void* const at = storage_->allocate(order.size());
  if (reads_) ops_.upload(at, order);
  return static_cast<const std::int32_t*>(at);
}

WeightReader::Copy WeightReader::scales_of(const Copy& copy) const {
  const auto& [name, rows, cols, padded_rows] = copy.part;
  const Fp8Blocks blocks = *checkpoint_.tensor(name).scale_blocks;
  return {{name + "_scale_inv", blocks_of(rows, blocks.rows), blocks_of(cols, blocks.cols),
           blocks_of({rows.first, padded_rows}, blocks.rows).count},
          {.turned = copy.placing.turned, .widen = true}};
}

// One after another in one piece of memory. Returns where each is.
std::vector<void*> WeightReader::plan_copies(const std::vector<Copy>& copies) {
  if (copies.empty()) return {};
  const auto all_bytes = [&](const Copy& copy) {
    return bytes_of(copy, copy.placing.turned ? copy.part.cols.count : copy.part.padded_rows);
  };
  std::size_t total = 0;
  for (const Copy& copy : copies) total += all_bytes(copy);
  auto* target = static_cast<std::byte*>(storage_->allocate(total));
  if (observers_.ticks) observers_.ticks->piece_done();  // large memory takes its time
  std::vector<void*> places;
  for (const Copy& copy : copies) {
    places.push_back(target);
    if (reads_) plan_jobs(copy, target);
    target += all_bytes(copy);
  }
  return places;
}

// Blocks of columns cannot be turned around: their weights are told one by one.
DType WeightReader::type_of(const Copy& copy) const {
  const DType dtype = checkpoint_.tensor(copy.part.name).dtype;
  return copy.placing.widen || (copy.placing.turned && kernels::in_blocks(dtype)) ? DType::f32 : dtype;
}

// So many rows of the copy, from the first of a panel on.
std::size_t WeightReader::bytes_of(const Copy& copy, std::int64_t rows) const {
  const DType dtype = type_of(copy);
  const std::int64_t width = copy.placing.turned
                                 ? copy.part.padded_rows
                                 : columns_before(dtype, copy.part.cols) + copy.part.cols.count;
  return copy.placing.layout == Layout::panels ? kernels::Panels{dtype, width}.size(rows)
                                               : std::size_t(rows) * kernels::row_bytes(dtype, width);
}

void WeightReader::plan_jobs(const Copy& copy, std::byte* target) {
  const auto& [name, rows, cols, padded_rows] = copy.part;
  const bool turned = copy.placing.turned;
  const StoredTensor& source = checkpoint_.tensor(name);
  const std::int64_t width = source.shape.back(),
                     height = source.shape.size() == 1 ? 1 : source.shape.front();
  CHECK(rows.first >= 0 && rows.count >= 0 && rows.first + rows.count <= height, "rows outside the tensor");
  CHECK(cols.first >= 0 && cols.count >= 0 && cols.first + cols.count <= width, "columns outside the tensor");
  // A row of a turned copy is a column of the source.
  const Slice read = turned ? cols : rows;
  const std::size_t row_bytes = kernels::row_bytes(source.dtype, turned ? rows.count : cols.count);
  const std::int64_t unit = copy.placing.layout == Layout::panels ? kernels::panel_rows : 1;
  // Rows of a turned copy, which are columns, stand in no order of theirs.
  const std::int64_t at_once =
      turned && !source.order().empty()
          ? cols.count
          : std::max(unit, std::int64_t(job_bytes / std::max<std::size_t>(1, row_bytes)) / unit * unit);
  for (std::int64_t done = 0; done < read.count; done += at_once) {
    const Slice part{read.first + done, std::min(at_once, read.count - done)};
    jobs_.push_back({.name = name,
                     .source = &source,
                     .rows = turned ? rows : part,
                     .cols = turned ? part : cols,
                     .placing = copy.placing,
                     .width = turned ? padded_rows : columns_before(source.dtype, cols) + cols.count,
                     .target = target + bytes_of(copy, done),
                     .target_bytes = bytes_of(copy, part.count)});
  }
}

// One row of a job's source, from the first block that has its columns on, goes to target, where the job's part of the
// copy is, as the job says.
void WeightReader::place(const Job& job, const std::byte* source, std::int64_t row, std::byte* target) const {
  const DType dtype = job.source->dtype;
  const std::int64_t count = job.cols.count;
  const auto [turned, widen, layout] = job.placing;
  if (widen) {
    float* const floats = reinterpret_cast<float*>(target);
    for (std::int64_t c = 0; c < count; ++c)
      floats[turned ? c * job.width + row : row * count + c] =
          to_float(dtype, source + std::size_t(c) * kernels::size_of(dtype));
  } else if (layout == Layout::rows) {
    std::memcpy(target + std::size_t(row) * job.source_row_bytes(), source, job.source_row_bytes());
  } else if (!turned) {
    kernels::pack_row({dtype, job.width}, row, source, target);
  } else if (kernels::in_blocks(dtype)) {
    const std::vector<float> values = values_of(job, source);
    kernels::pack_column({DType::f32, job.width}, count, row,
                         reinterpret_cast<const std::byte*>(values.data()), target);
  } else {
    kernels::pack_column({dtype, job.width}, count, row, source, target);
  }
}

// Of a row's blocks, in the order of the columns.
std::vector<float> WeightReader::values_of(const Job& job, const std::byte* source) const {
  float scale = 1;
  if (kernels::is_scaled(job.source->dtype)) {
    const StoredTensor& scales = checkpoint_.tensor(job.name + "_scale_inv");
    scale = to_float(scales.dtype, scales.bytes.data());
  }
  const kernels::Weight blocks{.data = source,
                               .dtype = job.source->dtype,
                               .rows = 1,
                               .cols = job.cols.count,
                               .scales = &scale,
                               .scale_stride = 1,
                               .col0 = columns_before(job.source->dtype, job.cols),
                               .block_rows = kernels::whole_matrix,
                               .block_cols = kernels::whole_matrix};
  const auto order = job.source->order();
  std::vector<float> values;
  values.resize(std::size_t(job.cols.count));
  for (std::int64_t c = 0; c < job.cols.count; ++c)
    values[std::size_t(order.empty() ? c : order[std::size_t(c)])] = kernels::dequantise(blocks, 0, c);
  return values;
}

void WeightReader::read(const Job& job, std::byte* target) const {
  std::vector<std::byte> room;
  for (std::int64_t r = 0; r < job.rows.count; ++r) {
    const auto source = job.source->row(job.rows.first + r, job.cols.first, job.cols.count, room);
    if (!all_finite(job.source->dtype, source))
      throw Error(
          "the tensor holds a NaN or an infinity",
          checkpoint_.folder().string() + ": " + job.name + ", row " + std::to_string(job.rows.first + r),
          "download or convert the checkpoint again");
    place(job, source.data(), r, target);
  }
}

// Straight to where the host reaches the device's memory; else by way of its own.
void WeightReader::copy(const Job& job) const {
  if (std::byte* const target = ops_.host_address(job.target)) return read(job, target);
  std::vector<std::byte> piece(job.target_bytes);
  read(job, piece.data());
  ops_.upload(job.target, piece);
}

void WeightReader::run() {
  TickBoard* const ticks = observers_.ticks;
  Progress* const progress = observers_.progress;
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
