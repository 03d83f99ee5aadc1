// The section is a row of containers, one for each compiled source: a header and then entries, each
// with a header of its own. [As nvcc 13.0 writes them, held against cuobjdump; NVIDIA documents
// neither.]
// SPDX-License-Identifier: MIT
#include "tests/kernels/cuda/fat_binary.h"

#include <elf.h>

#include <cstring>
#include <sstream>

#include "kernels/core/error.h"
#include "kernels/core/file_io.h"

namespace nasengine::cuda {
namespace {

struct FatContainerHeader {
  std::uint32_t magic;
  std::uint16_t version;
  std::uint16_t header_bytes;
  std::uint64_t bytes;  // of the entries
};
constexpr std::uint32_t kFatMagic = 0xba55ed50;

struct FatEntryHeader {
  std::uint16_t kind;
  std::uint16_t version;
  std::uint32_t header_bytes;
  std::uint64_t bytes;
  std::uint32_t unread[3];
  std::uint32_t architecture;
  std::uint64_t unread_too;
  std::uint64_t flags;
};
constexpr std::uint16_t kFatPtx = 1;
constexpr std::uint16_t kFatElf = 2;
// Only on the very architecture ("a"), and on those of its family ("f").
constexpr std::uint64_t kFatSpecific = 0x100000;
constexpr std::uint64_t kFatFamily = 0x200000;
constexpr std::uint64_t kFatCompressed = 0x2000 | 0x8000;  // LZ4, Zstandard

// A T at byte `at` of `bytes`, which are `what`.
template <class T>
T ReadAt(const std::string& bytes, std::uint64_t at, const std::string& what) {
  NAS_CHECK(at <= bytes.size() && sizeof(T) <= bytes.size() - at, what, ": ends at byte ",
            bytes.size(), ", expected ", sizeof(T), " bytes at ", at);
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

// The bytes of a section of `file`.
std::string ReadSection(const std::string& file, const std::string& name) {
  const std::string bytes = ReadFile(file);
  const auto header = ReadAt<Elf64_Ehdr>(bytes, 0, file);
  NAS_CHECK(std::memcmp(header.e_ident, ELFMAG, SELFMAG) == 0, file, ": is no ELF file");
  const auto section = [&](std::uint64_t index) {
    return ReadAt<Elf64_Shdr>(bytes, header.e_shoff + index * header.e_shentsize, file);
  };
  const Elf64_Shdr names = section(header.e_shstrndx);
  for (std::uint64_t i = 0; i < header.e_shnum; ++i) {
    const Elf64_Shdr found = section(i);
    const std::uint64_t at = names.sh_offset + found.sh_name;
    if (at < bytes.size() && name == bytes.c_str() + at) {
      NAS_CHECK(found.sh_offset <= bytes.size(), file, ": ", name, " is outside the file");
      return bytes.substr(found.sh_offset, found.sh_size);
    }
  }
  Throw(ErrorCode::kInvalidArgument, file, ": has no section ", name);
}

FatEntry ReadFatEntry(const std::string& section, std::uint64_t at, const std::string& where) {
  const auto header = ReadAt<FatEntryHeader>(section, at, where);
  NAS_CHECK(header.kind == kFatPtx || header.kind == kFatElf, where, ": found an entry of kind ",
            header.kind, " at byte ", at, ", expected PTX (1) or ELF (2)");
  const std::uint64_t left = section.size() - at;
  NAS_CHECK(header.header_bytes >= sizeof(header) && header.header_bytes <= left &&
                header.bytes <= left - header.header_bytes,
            where, ": found an entry of ", header.header_bytes, " and ", header.bytes,
            " bytes at byte ", at, ", expected at most ", left);
  std::string name = (header.kind == kFatPtx ? "compute_" : "sm_");
  name += std::to_string(header.architecture);
  if ((header.flags & kFatSpecific) != 0) name += 'a';
  if ((header.flags & kFatFamily) != 0) name += 'f';
  return {.architecture = name,
          .bytes = section.substr(at + header.header_bytes, header.bytes),
          .compressed = (header.flags & kFatCompressed) != 0,
          .end = at + header.header_bytes + header.bytes};
}

}  // namespace

std::vector<FatContainer> ReadFatBinary(const std::string& file) {
  const std::string section = ReadSection(file, ".nv_fatbin");
  const std::string where = file + ", section .nv_fatbin";
  std::vector<FatContainer> containers;
  for (std::uint64_t at = 0; at < section.size();) {
    const auto header = ReadAt<FatContainerHeader>(section, at, where);
    NAS_CHECK(header.magic == kFatMagic, where, ": found ", header.magic, " at byte ", at,
              ", expected a container's ", kFatMagic);
    at += sizeof(header);
    FatContainer& container = containers.emplace_back();
    for (const std::uint64_t end = at + header.bytes; at < end; at = container.back().end) {
      container.push_back(ReadFatEntry(section, at, where));
    }
  }
  return containers;
}

std::set<std::string> ConfiguredArchitectures(const std::string& list) {
  std::set<std::string> architectures;
  std::istringstream entries(list);
  for (std::string entry; std::getline(entries, entry, ',');) {
    const std::string number = entry.substr(0, entry.find('-'));
    if (number.find_first_of("0123456789") != 0) return {};
    const std::string kind = entry.substr(number.size());
    if (kind != "-virtual") architectures.insert("sm_" + number);
    if (kind != "-real") architectures.insert("compute_" + number);
  }
  return architectures;
}

}  // namespace nasengine::cuda
