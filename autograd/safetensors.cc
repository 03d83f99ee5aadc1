// SPDX-License-Identifier: MIT
#include "autograd/safetensors.h"

#include <xxhash.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

namespace nasengine {
namespace {

using Json = nlohmann::ordered_json;

constexpr const char* kMetadata = "__metadata__";
constexpr const char* kChecksum = "xxh64";
constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kChecksumDigits = 16;

struct TypeName {
  DType dtype;
  const char* name;
};
constexpr std::array<TypeName, 3> kTypeNames = {
    {{DType::kF32, "F32"}, {DType::kBf16, "BF16"}, {DType::kI32, "I32"}}};

const char* FileName(const SafetensorsEntry& entry) {
  for (const TypeName& type : kTypeNames) {
    if (type.dtype == entry.dtype) return type.name;
  }
  Throw(ErrorCode::kInvalidArgument, "safetensors: tensor ", entry.name, " is ", Name(entry.dtype),
        ", expected f32, bf16 or i32");
}

std::string Checksum(std::string_view header, std::string_view data) {
  const std::uint64_t of_header = XXH64(header.data(), header.size(), 0);
  const std::uint64_t sum = XXH64(data.data(), data.size(), of_header);
  std::array<char, kChecksumDigits + 1> digits;
  std::snprintf(digits.data(), digits.size(), "%016llx", static_cast<unsigned long long>(sum));
  return digits.data();
}

Json Header(const std::vector<SafetensorsEntry>& entries,
            const std::map<std::string, std::string>& metadata) {
  Json header = Json::object();
  header[kMetadata] = Json::object();
  for (const auto& [key, value] : metadata) {
    NAS_CHECK(key != kChecksum, "safetensors: the metadata key ", key, " is the format's own");
    header[kMetadata][key] = value;
  }
  for (const SafetensorsEntry& entry : entries) {
    NAS_CHECK(entry.name != kMetadata, "safetensors: a tensor cannot be named ", kMetadata);
    Json sizes = Json::array();
    for (int axis = 0; axis < entry.shape.rank(); ++axis) sizes.push_back(entry.shape[axis]);
    header[entry.name] = {
        {"dtype", FileName(entry)},
        {"shape", std::move(sizes)},
        {"data_offsets", {entry.offset_bytes, entry.offset_bytes + entry.bytes()}}};
  }
  return header;
}

std::string Dump(const Json& json) {
  try {
    return json.dump();
  } catch (const nlohmann::json::exception&) {
    Throw(ErrorCode::kInvalidArgument, "safetensors: a name or the metadata is not UTF-8");
  }
}

// The fields of one tensor in a header, checked; messages begin with the file and the tensor.
class EntryReader {
 public:
  EntryReader(const std::string& path, const std::string& name, const Json& json,
              std::int64_t data_bytes)
      : where_(StrCat(path, ": tensor ", name)), json_(json), data_bytes_(data_bytes) {
    NAS_CHECK(json.is_object() && json.contains("dtype") && json.contains("shape") &&
                  json.contains("data_offsets"),
              where_, " lacks dtype, shape or data_offsets");
  }

  DType dtype() const {
    const Json& json = json_["dtype"];
    for (const TypeName& type : kTypeNames) {
      if (json == type.name) return type.dtype;
    }
    Throw(ErrorCode::kInvalidArgument, where_, " has dtype ", json.dump(),
          ", expected F32, BF16 or I32");
  }

  Shape shape() const {
    const Json& json = json_["shape"];
    NAS_CHECK(json.is_array() && json.size() <= Shape::kMaxRank, where_, " has shape ", json.dump(),
              ", expected up to ", Shape::kMaxRank, " sizes");
    std::array<std::int64_t, Shape::kMaxRank> sizes{};
    std::int64_t elements = 1;
    for (std::size_t axis = 0; axis < json.size(); ++axis) {
      const std::optional<std::int64_t> size = Count(json[axis]);
      NAS_CHECK(size.has_value(), where_, " has shape ", json.dump(), ", expected sizes");
      sizes[axis] = *size;
      // No more elements than the file has bytes, so that no product overflows.
      NAS_CHECK(*size == 0 || elements <= data_bytes_ / *size, where_, " has shape ", json.dump(),
                ", more than the file's ", data_bytes_, " bytes of data");
      elements *= *size;
    }
    switch (json.size()) {
      case 0:
        return {};
      case 1:
        return {sizes[0]};
      case 2:
        return {sizes[0], sizes[1]};
      case 3:
        return {sizes[0], sizes[1], sizes[2]};
      default:
        return {sizes[0], sizes[1], sizes[2], sizes[3]};
    }
  }

  // Where the tensor begins; it must be `bytes` long and inside the data.
  std::int64_t offset_bytes(std::int64_t bytes) const {
    const Json& json = json_["data_offsets"];
    const bool pair = json.is_array() && json.size() == 2;
    const std::optional<std::int64_t> begin = pair ? Count(json[0]) : std::nullopt;
    const std::optional<std::int64_t> end = pair ? Count(json[1]) : std::nullopt;
    NAS_CHECK(begin && end && *begin <= *end, where_, " has data_offsets ", json.dump(),
              ", expected [begin, end]");
    NAS_CHECK(*end <= data_bytes_, where_, " ends at byte ", *end, ", the file has ", data_bytes_,
              " bytes of data (truncated?)");
    NAS_CHECK(*end - *begin == bytes, where_, " has ", *end - *begin, " bytes, its shape needs ",
              bytes);
    return *begin;
  }

 private:
  static std::optional<std::int64_t> Count(const Json& json) {
    if (!json.is_number_unsigned()) return std::nullopt;
    const auto count = json.get<std::uint64_t>();
    if (count > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max())) {
      return std::nullopt;
    }
    return static_cast<std::int64_t>(count);
  }

  std::string where_;
  const Json& json_;
  std::int64_t data_bytes_;
};

// Header text and data section of the file.
std::pair<std::string_view, std::string_view> Split(const std::string& path,
                                                    std::string_view bytes) {
  NAS_CHECK(bytes.size() >= kLengthBytes, path, ": ", bytes.size(),
            " bytes are too few for a safetensors file");
  std::uint64_t length = 0;
  for (std::size_t i = kLengthBytes; i-- > 0;) {
    length = length << 8 | static_cast<unsigned char>(bytes[i]);
  }
  const std::size_t rest = bytes.size() - kLengthBytes;
  NAS_CHECK(length <= rest, path, ": the header should have ", length, " bytes, the file has ",
            rest, " more (truncated, or not a safetensors file)");
  const auto header_bytes = static_cast<std::size_t>(length);
  return {bytes.substr(kLengthBytes, header_bytes), bytes.substr(kLengthBytes + header_bytes)};
}

std::map<std::string, std::string> ReadMetadata(const std::string& path, const Json& json) {
  std::map<std::string, std::string> metadata;
  NAS_CHECK(json.is_object(), path, ": ", kMetadata, " is not an object");
  for (const auto& [key, value] : json.items()) {
    NAS_CHECK(value.is_string(), path, ": ", kMetadata, " ", key, " is not a string");
    metadata[key] = value.get<std::string>();
  }
  return metadata;
}

// Sorts by place and refuses overlaps and gaps.
void CheckPlaces(const std::string& path, std::vector<SafetensorsEntry>& entries,
                 std::int64_t data_bytes) {
  std::stable_sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) {
    return std::pair(a.offset_bytes, a.bytes()) < std::pair(b.offset_bytes, b.bytes());
  });
  std::int64_t end = 0;
  for (const SafetensorsEntry& entry : entries) {
    NAS_CHECK(entry.offset_bytes >= end, path, ": tensor ", entry.name, " begins at byte ",
              entry.offset_bytes, " and overlaps the one before it, which ends at ", end);
    NAS_CHECK(entry.offset_bytes == end, path, ": tensor ", entry.name, " begins at byte ",
              entry.offset_bytes, " after a gap from ", end);
    end += entry.bytes();
  }
  NAS_CHECK(end == data_bytes, path, ": the tensors end at byte ", end, ", the data at ",
            data_bytes);
}

}  // namespace

std::int64_t PlaceSafetensors(std::vector<SafetensorsEntry>& entries) {
  std::stable_sort(entries.begin(), entries.end(),
                   [](const auto& a, const auto& b) { return SizeOf(a.dtype) > SizeOf(b.dtype); });
  std::int64_t end = 0;
  for (SafetensorsEntry& entry : entries) {
    entry.offset_bytes = end;
    end += entry.bytes();
  }
  return end;
}

SafetensorsWriter::SafetensorsWriter(std::vector<SafetensorsEntry> entries,
                                     const std::map<std::string, std::string>& metadata)
    : entries_(std::move(entries)) {
  const auto data_bytes = static_cast<std::size_t>(PlaceSafetensors(entries_));
  Json json = Header(entries_, metadata);
  unstamped_header_ = Dump(json);
  const std::string no_sum(kChecksumDigits, '0');
  json[kMetadata][kChecksum] = no_sum;
  std::string header = Dump(json);
  // The metadata comes first and the checksum last in it: {"__metadata__":{..., "xxh64":"0..0"},
  // ...
  const std::size_t metadata_bytes = Dump(json[kMetadata]).size();
  const std::size_t metadata_end = header.find(':') + 1 + metadata_bytes;
  checksum_start_ = kLengthBytes + metadata_end - 2 - kChecksumDigits;
  while ((kLengthBytes + header.size()) % 8 != 0) header += ' ';
  data_start_ = kLengthBytes + header.size();
  file_.reserve(data_start_ + data_bytes);
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    file_ += static_cast<char>(static_cast<std::uint64_t>(header.size()) >> (8 * i) & 0xff);
  }
  file_ += header;
  file_.resize(data_start_ + data_bytes);
}

std::string SafetensorsWriter::Finish() && {
  const std::string_view data = std::string_view(file_).substr(data_start_);
  file_.replace(checksum_start_, kChecksumDigits, Checksum(unstamped_header_, data));
  return std::move(file_);
}

SafetensorsFile ParseSafetensors(const std::string& path, std::string_view bytes) {
  const auto [header, data] = Split(path, bytes);
  Json json = Json::parse(header, nullptr, /*allow_exceptions=*/false);
  NAS_CHECK(json.is_object(), path, ": the header is not a JSON object");
  SafetensorsFile file;
  file.data = data;
  const auto data_bytes = static_cast<std::int64_t>(data.size());
  for (const auto& [name, fields] : json.items()) {
    if (name == kMetadata) continue;
    const EntryReader reader(path, name, fields, data_bytes);
    SafetensorsEntry entry{.name = name, .dtype = reader.dtype(), .shape = reader.shape()};
    entry.offset_bytes = reader.offset_bytes(entry.bytes());
    file.entries.push_back(std::move(entry));
  }
  CheckPlaces(path, file.entries, data_bytes);
  if (!json.contains(kMetadata)) return file;
  file.metadata = ReadMetadata(path, json[kMetadata]);
  const auto checksum = file.metadata.extract(kChecksum);
  if (checksum.empty()) return file;
  json[kMetadata].erase(kChecksum);
  const std::string computed = Checksum(json.dump(), data);
  NAS_CHECK(checksum.mapped() == computed, path, ": the checksum is ", computed, ", the file says ",
            checksum.mapped(), " (damaged)");
  return file;
}

}  // namespace nasengine
