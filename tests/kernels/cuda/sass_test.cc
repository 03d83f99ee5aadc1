// What the compiled kernels are made of, instruction by instruction, on every architecture that the
// plug-in is built for: accesses of 16 bytes where the source means them, tensor cores for bf16
// alone, no local memory, no atomics.
//
// Reads the plug-in with nvdisasm, which a toolkit need not have (PyPI: nvidia-cuda-nvdisasm); the
// variable NASENGINE_NVDISASM names one that is not on the path.
// SPDX-License-Identifier: MIT
#include <gtest/gtest.h>
#include <stdio.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/core/error.h"
#include "tests/kernels/cuda/fat_binary.h"
#include "tests/kernels/cuda/kernel_name.h"
#include "tests/support/temp_dir.h"

namespace nasengine::cuda {
namespace {

struct Rule {
  const char* kernels;       // by name, as in tests/fixtures/cuda/occupancy.csv with its arguments
  const char* instructions;  // with their suffixes
  bool has;                  // one at least; or none
};

constexpr const char* kWideElements =
    "ForElements<(8, .*|4, MapBody<\\w+, float, float.*)|ForListedElements<.*|AddToKernel<4>|"
    "AddBiasAndActivateKernel<float, float, 4>|"
    "((Maximum|Average)Pool|GlobalAverage)(Gradient)?<(float, 4|BFloat16, 8)>";
constexpr Rule kRules[] = {
    // The reader has seen whole kernels.
    {".*", "EXIT", true},
    // A thread's own memory lies in DRAM; atomics would add in another order every time.
    {".*", "(LDL|STL)(\\..*)?", false},
    {".*", "(ATOM|ATOMG|ATOMS|RED|REDG)(\\..*)?", false},
    // f32 would be rounded to TF32.
    {"MatrixProduct<.*BFloat16.*", "HMMA\\.16816\\.F32\\.BF16", true},
    {"(?!.*BFloat16).*", "HMMA\\..*", false},
    // Where the address space has been lost sight of.
    {".*", "(LD|ST)(\\..*)?", false},
    {"MatrixProduct<.*Unchanged.*", "LDGSTS\\.E\\.BYPASS\\.128.*", true},
    {"DepthwiseMarchStaged<.*", "LDGSTS\\.E\\.BYPASS\\.128.*", true},
    {"MatrixProduct<.*", "STG\\.E\\.128.*", true},
    {"Norm(Statistics|GradientSums|Apply|InputGradient)<(float, 4|BFloat16, 8)>", "LDG\\.E\\.128.*",
     true},
    {"Norm(Apply|InputGradient)<(float, 4|BFloat16, 8)>", "STG\\.E\\.128.*", true},
    {kWideElements, "LDG\\.E\\.128.*", true},
    {kWideElements, "STG\\.E\\.128.*", true},
};

// By kernel.
using Instructions = std::map<std::string, std::set<std::string>>;

// Calls visit(line) for what `command` prints; its exit status.
template <class Visit>
int ForEachLineOf(const std::string& command, const Visit& visit) {
  std::FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) Throw(ErrorCode::kIo, command, ": cannot be started");
  char* line = nullptr;
  std::size_t size = 0;
  while (getline(&line, &size, pipe) >= 0) visit(std::string(line));
  std::free(line);
  return pclose(pipe);
}

// Empty where there is none.
std::string Disassembler() {
  std::string found;
  ForEachLineOf("PATH=\"$PATH:" NASENGINE_CUDA_BIN
                "\"; command -v \"${NASENGINE_NVDISASM:-nvdisasm}\"",
                [&](const std::string& line) { found = line.substr(0, line.find('\n')); });
  return found;
}

// "        /*0a10*/              @!P0 LDG.E.128 R4, [R2.64] ;": LDG.E.128. Empty for other lines.
std::string InstructionOf(const std::string& line) {
  const std::size_t begin = line.find_first_not_of(" \t");
  if (begin == std::string::npos || line.compare(begin, 2, "/*") != 0) return {};
  std::istringstream words(line.substr(std::min(line.find("*/", begin), line.size() - 2) + 2));
  std::string word;
  while (words >> word) {
    if (word[0] != '@' && word[0] != '{') return word.substr(0, word.find(';'));
  }
  return {};
}

void AddInstructions(const std::string& disassembler, const std::string& cubin,
                     Instructions& instructions) {
  constexpr std::string_view kSection = ".text.";
  std::set<std::string>* kernel = nullptr;
  const int status =
      ForEachLineOf("'" + disassembler + "' -c -ndf '" + cubin + "'", [&](const std::string& line) {
        if (line.starts_with(kSection)) {
          kernel = &instructions[ShortName(
              line.substr(kSection.size(), line.find(':') - kSection.size()))];
        } else if (kernel != nullptr) {
          kernel->insert(InstructionOf(line));
        }
      });
  EXPECT_EQ(status, 0) << disassembler << " " << cubin;
}

class SassTest : public ::testing::TestWithParam<std::string> {};

TEST_P(SassTest, KernelsHaveTheInstructionsThatTheyAreWrittenFor) {
  const std::string disassembler = Disassembler();
  if (disassembler.empty()) {
    GTEST_SKIP() << "no nvdisasm (PyPI has nvidia-cuda-nvdisasm; see NASENGINE_NVDISASM)";
  }
  const TempDir folder;
  const std::string cubin = folder / "kernels.cubin";
  Instructions instructions;
  for (const FatContainer& container : ReadFatBinary(NASENGINE_CUDA_PLUGIN_FILE)) {
    for (const FatEntry& entry : container) {
      if (entry.architecture != GetParam()) continue;
      ASSERT_FALSE(entry.compressed) << "built with a -compress-mode that this does not read";
      std::ofstream(cubin) << entry.bytes;
      AddInstructions(disassembler, cubin, instructions);
    }
  }
  for (const Rule& rule : kRules) {
    const std::regex kernels(rule.kernels);
    const std::regex wanted(rule.instructions);
    int kernels_seen = 0;
    for (const auto& [kernel, its] : instructions) {
      if (!std::regex_match(kernel, kernels)) continue;
      ++kernels_seen;
      const auto found = std::ranges::find_if(
          its, [&](const std::string& one) { return std::regex_match(one, wanted); });
      EXPECT_EQ(found != its.end(), rule.has)
          << kernel << (rule.has ? " has no " : " has ") << (rule.has ? rule.instructions : *found);
    }
    EXPECT_GT(kernels_seen, 0) << "no kernel is " << rule.kernels;
  }
}

std::set<std::string> BuiltArchitectures() {
  std::set<std::string> built = ConfiguredArchitectures(NASENGINE_CUDA_ARCHITECTURES);
  std::erase_if(built, [](const std::string& name) { return !name.starts_with("sm_"); });
  return built;
}

INSTANTIATE_TEST_SUITE_P(Architectures, SassTest, ::testing::ValuesIn(BuiltArchitectures()),
                         [](const auto& info) { return info.param; });
// Where the list stands for what the toolkit or the machine has.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SassTest);

}  // namespace
}  // namespace nasengine::cuda
